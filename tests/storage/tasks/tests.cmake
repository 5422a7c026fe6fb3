# Tests of tasks; sources are relative to tests/storage/.
