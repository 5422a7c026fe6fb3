-- Items leave the queue by updates, and what has left stays in its index until a vacuum: with the usual fifth of the
-- table, a newcomer's first search in a project of a million items steps over up to 200,000 dead entries. Vacuum comes
-- after a fiftieth instead, and statistics follow sooner, since whole queues change within an hour.

ALTER TABLE item SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE assignment SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE participation SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200);
