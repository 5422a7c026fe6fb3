# Tests of events; sources are relative to tests/collector/.
