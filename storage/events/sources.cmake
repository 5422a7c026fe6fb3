set(_events events/outbox.cpp events/profiles.cpp events/retention.cpp events/webhooks.cpp)
