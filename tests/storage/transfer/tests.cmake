# Tests of transfer; sources are relative to tests/storage/.
