set(_events events/backup.cpp events/completions.cpp events/outbox.cpp events/own_data.cpp events/profiles.cpp events/retention.cpp
            events/webhooks.cpp events/withdrawals.cpp)
