set(_proxy proxy/alarms.cpp proxy/answers.cpp proxy/ask.cpp proxy/assembler.cpp proxy/chat_request.cpp
           proxy/chunks.cpp proxy/feedback.cpp proxy/late_stream.cpp proxy/pending_pairs.cpp proxy/refusals.cpp
           proxy/routes.cpp proxy/service.cpp)
