# Tests of streams; sources are relative to tests/collector/.
