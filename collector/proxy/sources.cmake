set(_proxy proxy/assembler.cpp proxy/chat_request.cpp proxy/chunks.cpp proxy/feedback.cpp proxy/routes.cpp
           proxy/service.cpp proxy/upstream_call.cpp)
