set(_quality quality/agreement_report.cpp quality/annotator_report.cpp quality/layouts.cpp quality/leaderboard.cpp quality/report_cache.cpp
  quality/routes.cpp)
