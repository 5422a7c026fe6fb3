# Tests of judgements; sources are relative to tests/storage/.
