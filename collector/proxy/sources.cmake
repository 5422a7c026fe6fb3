set(_proxy proxy/answers.cpp proxy/ask.cpp proxy/assembler.cpp proxy/chat_request.cpp proxy/chunks.cpp
           proxy/feedback.cpp proxy/routes.cpp proxy/service.cpp)
