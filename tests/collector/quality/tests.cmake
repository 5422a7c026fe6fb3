# Tests of quality; sources are relative to tests/collector/.
