set(_events events/outbox.cpp)
