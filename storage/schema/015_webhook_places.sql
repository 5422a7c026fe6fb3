-- Deliveries are taken a few of each receiver, the oldest first: one that is slow must not hold the places of all.
CREATE INDEX delivery_of_webhook ON delivery (webhook_id, next_try_at) WHERE state = 'waiting';
