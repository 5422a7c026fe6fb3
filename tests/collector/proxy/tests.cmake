# Tests of proxy; sources are relative to tests/collector/.
