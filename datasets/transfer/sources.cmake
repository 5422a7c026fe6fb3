# Import and export of files.
set(_transfer
    transfer/argilla_responses.cpp transfer/detail_json.cpp transfer/export_columns.cpp transfer/export_data.cpp
    transfer/export_judgements.cpp transfer/export_lists.cpp transfer/export_notes.cpp transfer/export_scores.cpp
    transfer/export_submissions.cpp transfer/export_training.cpp transfer/import_file.cpp transfer/import_parser.cpp
    transfer/import_record.cpp transfer/import_rows.cpp transfer/jsonl_writer.cpp transfer/languages.cpp
    transfer/parse_argilla.cpp transfer/parse_chats.cpp transfer/parse_common.cpp transfer/parse_judgement.cpp
    transfer/parse_jsonl.cpp transfer/parse_label_studio.cpp transfer/parse_markdown.cpp
    transfer/parse_open_assistant.cpp transfer/parse_text.cpp transfer/pseudonyms.cpp transfer/record_reader.cpp
    transfer/verdict_words.cpp)
