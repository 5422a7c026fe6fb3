# Tests of accounts; sources are relative to tests/storage/.
