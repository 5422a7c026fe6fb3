# Tests of site; sources are relative to tests/collector/.
