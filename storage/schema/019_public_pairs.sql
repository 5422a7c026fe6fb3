-- Whether a pair is an item of some project, whichever that is: asked before a pair is offered to the public.
CREATE INDEX item_of_pair ON item (pair_id) WHERE pair_id IS NOT NULL;
