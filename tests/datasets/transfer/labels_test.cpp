// SPDX-License-Identifier: Apache-2.0
// What is a verdict in the files of annotation tools, and what is not: texts, questions about other things, sides.
#include <gtest/gtest.h>

#include "datasets/transfer/import_file.h"

namespace afina::datasets {
namespace {

using Kind = ImportJudgement::Kind;

// One person's answers to a pair "response-1", "response-2", as v1 of Argilla writes them.
ParsedFile pair_answered(const std::string& values) {
  return parse_whole(
      ImportFormat::argilla,
      cat(R"({"fields":{"prompt":"p","response-1":"a","response-2":"b"},"responses":[{"user_id":"u","values":)", values,
          "}]}\n"));
}

bool told(const ParsedFile& parsed, const std::string& part) {
  for (const SkippedRow& row : parsed.skipped)
    if (row.why.find(part) != std::string::npos) return true;
  return false;
}

TEST(ArgillaVerdicts, a_free_text_is_a_reason_and_never_a_verdict) {
  const ParsedFile parsed =
      pair_answered(R"({"comentario":{"value":"Copia mal el artículo 2"},"preferencia":{"value":"response-1"}})");
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U);
  const ImportJudgement& j = parsed.records[0].judgements[0];
  EXPECT_EQ(j.grade, kPlainGrade) << "not what the comment's last figure would say";
  EXPECT_EQ(j.reason, "Copia mal el artículo 2");
  EXPECT_EQ(j.question, "preferencia");
  EXPECT_TRUE(parsed.skipped.empty());
}

TEST(ArgillaVerdicts, a_reason_that_names_the_other_answer_stays_a_reason) {
  const ParsedFile parsed =
      pair_answered(R"({"preference":{"value":"response-1"},"reason":{"value":"Es mejor que la response-2"}})");
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U);
  EXPECT_EQ(parsed.records[0].judgements[0].grade, kPlainGrade);
  EXPECT_EQ(parsed.records[0].judgements[0].reason, "Es mejor que la response-2");
}

TEST(ArgillaVerdicts, a_text_alone_gives_no_judgement_and_is_told) {
  const ParsedFile parsed = pair_answered(R"({"nota":{"value":"Cita la ley 2"}})");
  EXPECT_TRUE(parsed.records.at(0).judgements.empty());
  EXPECT_EQ(parsed.records[0].answers.size(), 2U) << "the answers come in";
  EXPECT_TRUE(told(parsed, "\"nota\""));
}

TEST(ArgillaVerdicts, a_bare_number_or_letter_is_a_label_of_a_preference) {
  for (const auto& [label, grade] :
       {std::pair{"1", kPlainGrade}, std::pair{"2", -kPlainGrade}, std::pair{"B", -kPlainGrade}}) {
    const ParsedFile parsed =
        pair_answered(cat(R"({"preference":{"value":")", label, R"("},"reason":{"value":"Cita bien la ley 2"}})"));
    ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U) << label;
    EXPECT_EQ(parsed.records[0].judgements[0].grade, grade) << label;
    EXPECT_EQ(parsed.records[0].judgements[0].reason, "Cita bien la ley 2");
  }
  EXPECT_TRUE(pair_answered(R"({"cuántos":{"value":"2"}})").records.at(0).judgements.empty())
      << "a figure under another question";
}

TEST(ArgillaVerdicts, none_of_the_errors_is_not_none_of_the_answers) {
  EXPECT_TRUE(pair_answered(R"({"errores":{"value":"none"}})").records.at(0).judgements.empty());
  EXPECT_TRUE(pair_answered(R"({"tono":{"value":"ninguna"}})").records.at(0).judgements.empty());
  const ParsedFile parsed = pair_answered(R"({"cuál es mejor":{"value":"ninguna"}})");
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U);
  EXPECT_EQ(parsed.records[0].judgements[0].kind, Kind::both_bad);
}

TEST(ArgillaVerdicts, the_worse_answer_is_not_read_as_the_better_one) {
  for (const char* question : {"worst", "which_is_toxic", "errores", "peor respuesta"}) {
    const ParsedFile parsed = pair_answered(cat("{\"", question, R"(":{"value":"response-1"}})"));
    EXPECT_TRUE(parsed.records.at(0).judgements.empty()) << question;
    EXPECT_FALSE(parsed.skipped.empty()) << question;
  }
}

TEST(ArgillaVerdicts, of_two_verdicts_the_preference_stays_and_the_other_is_told) {
  const ParsedFile parsed =
      pair_answered(R"({"claridad":{"value":"response-2"},"preferencia":{"value":"response-1"}})");
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U);
  EXPECT_EQ(parsed.records[0].judgements[0].grade, kPlainGrade);
  EXPECT_TRUE(told(parsed, "\"claridad\""));
}

TEST(ArgillaVerdicts, ratings_of_two_questions_about_one_answer_are_two) {
  const ParsedFile parsed = parse_whole(
      ImportFormat::argilla,
      R"({"fields":{"prompt":"p","response":"r"},"responses":[{"user_id":"u","values":{"helpfulness":{"value":5},"toxicity":{"value":1}}}]})");
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 2U);
  EXPECT_EQ(parsed.records[0].judgements[0].question, "helpfulness");
  EXPECT_EQ(parsed.records[0].judgements[0].score, 1.0);
  EXPECT_EQ(parsed.records[0].judgements[1].question, "toxicity");
  EXPECT_EQ(parsed.records[0].judgements[1].score, 0.0);
}

TEST(ArgillaVerdicts, yes_is_praise_only_where_the_question_is_about_quality) {
  const auto of = [](const std::string& question) {
    return parse_whole(ImportFormat::argilla, cat(R"({"fields":{"prompt":"p","response":"r"},"responses":{")", question,
                                                  R"(":[{"value":"yes","user_id":"u"}]}})"))
        .records.at(0)
        .judgements;
  };
  ASSERT_EQ(of("is_helpful").size(), 1U);
  EXPECT_EQ(of("is_helpful")[0].score, 1.0);
  EXPECT_TRUE(of("is_toxic").empty());
  EXPECT_TRUE(of("mentions_chile").empty());
}

TEST(ArgillaForms, columns_for_hugging_face_give_their_judgements) {
  const std::string head =
      R"({"prompt":"p","response-1":"a","response-2":"b","external_id":"x","metadata":"{\"lang\": \"es\"}",)";
  const ParsedFile parsed = parse_whole(
      ImportFormat::argilla,
      head +
          R"("preference":[{"user_id":"u1","value":"response-1","status":"submitted"},{"user_id":"u2","value":"response-2","status":"submitted"},{"user_id":"u3","value":"response-2","status":"discarded"}],"preference-suggestion":"response-2","preference-suggestion-metadata":{"type":null,"score":null,"agent":"gpt"}})" +
          "\n" + head +
          R"("rank":[{"user_id":"u1","value":{"rank":[2,1],"value":["response-1","response-2"]},"status":"submitted"}]})" +
          "\n" + head +
          R"("preference":{"user_id":["u1",null],"value":["response-1","response-2"],"status":["submitted","submitted"]}})");
  ASSERT_EQ(parsed.records.size(), 3U);
  EXPECT_EQ(parsed.records[0].locale, "es");
  EXPECT_EQ(parsed.records[0].answers.size(), 2U) << "a suggestion's column is no answer";
  ASSERT_EQ(parsed.records[0].judgements.size(), 2U);
  EXPECT_EQ(parsed.records[0].judgements[0].grade, kPlainGrade);
  EXPECT_EQ(parsed.records[0].judgements[1].grade, -kPlainGrade);
  ASSERT_EQ(parsed.records[1].judgements.size(), 1U);
  EXPECT_EQ(parsed.records[1].judgements[0].ranks, (std::vector<int>{1, 0}));
  ASSERT_EQ(parsed.records[2].judgements.size(), 2U);
  EXPECT_EQ(parsed.records[2].judgements[1].annotator, "#1");
  EXPECT_TRUE(parsed.skipped.empty());
}

TEST(ArgillaForms, columns_give_suggestions_where_they_are_asked_for) {
  const std::string row =
      R"({"prompt":"p","response_a":"a","response_b":"b","pref.suggestion":"response_b","pref.suggestion.agent":"gpt"})";
  EXPECT_TRUE(parse_whole(ImportFormat::argilla, row).records.at(0).judgements.empty());
  const auto with = parse_whole(ImportFormat::argilla, row, {.suggestions = true}).records.at(0).judgements;
  ASSERT_EQ(with.size(), 1U);
  EXPECT_EQ(with[0].annotator, "agent:gpt");
  EXPECT_EQ(with[0].grade, -kPlainGrade);
}

TEST(ArgillaForms, a_page_of_its_server_is_many_records) {
  const ParsedFile parsed = parse_whole(
      ImportFormat::argilla,
      R"({"items":[{"fields":{"prompt":"p","response":"r"},"responses":[]},7,{"fields":{"prompt":"q","response":"s"}}],"total":3})");
  EXPECT_EQ(parsed.records.size(), 2U);
  EXPECT_EQ(parsed.skipped.size(), 1U);
}

TEST(ArgillaForms, texts_beside_ratings_go_by_the_field_in_their_name) {
  const ParsedFile parsed = parse_whole(
      ImportFormat::argilla,
      R"({"fields":{"instruction":"p","generations-1":"a","generations-2":"b"},"responses":[{"user_id":"u","values":{"generations-2-rating":{"value":5},"pregunta 2":{"value":5}}}]})");
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U);
  EXPECT_EQ(parsed.records[0].judgements[0].answer, 1);
  EXPECT_EQ(parsed.skipped.size(), 1U) << "a second question is not one about the second answer";
}

TEST(ArgillaRanks, one_odd_rank_is_told_and_takes_nothing_from_the_others) {
  for (const char* rank : {"40000", "9999999999", "99999999999999999999", "0", "-3"}) {
    const ParsedFile parsed = parse_whole(
        ImportFormat::argilla,
        cat(R"({"fields":{"prompt":"p","response-1":"a","response-2":"b"},"responses":[)",
            R"({"user_id":"u","values":{"r":{"value":[{"rank":1,"value":"response-2"},{"rank":)", rank,
            R"(,"value":"response-1"}]}}},)",
            R"({"user_id":"v","values":{"r":{"value":[{"rank":1,"value":"response-2"},{"rank":2,"value":"response-1"}]}}}]})"));
    ASSERT_EQ(parsed.records.size(), 1U) << rank;
    ASSERT_EQ(parsed.records[0].judgements.size(), 1U) << rank;
    EXPECT_EQ(parsed.records[0].judgements[0].annotator, "v");
    EXPECT_EQ(parsed.skipped.size(), 1U) << rank;
  }
}

// One annotation of the task {prompt, response_a, response_b}.
ParsedFile task(const std::string& results) {
  return parse_whole(
      ImportFormat::label_studio,
      cat(R"([{"id":1,"data":{"prompt":"p","response_b":"b","response_a":"a"},"annotations":[{"id":7,"completed_by":1,"result":[)",
          results, "]}]}]"));
}

std::string pairwise(const char* to, const char* selected) {
  return cat(R"({"type":"pairwise","from_name":"pw","to_name":")", to, R"(","value":{"selected":")", selected, "\"}}");
}

TEST(LabelStudioSides, the_left_answer_is_the_one_that_to_name_names_first) {
  for (const auto& [to, grade] :
       {std::pair{"response_b,response_a", -kPlainGrade}, std::pair{"response_a,response_b", kPlainGrade},
        std::pair{"response_b", -kPlainGrade}, std::pair{"response_a", kPlainGrade}, std::pair{"pw", kPlainGrade}}) {
    const auto judgements = task(pairwise(to, "left")).records.at(0).judgements;
    ASSERT_EQ(judgements.size(), 1U) << to;
    EXPECT_EQ(judgements[0].grade, grade) << to;
    EXPECT_EQ(judgements[0].a_on_left, std::optional(grade > 0)) << to;
    EXPECT_EQ(task(pairwise(to, "right")).records.at(0).judgements.at(0).grade, -grade) << to;
  }
}

TEST(LabelStudioSides, sides_that_nothing_tells_are_not_guessed) {
  const ParsedFile parsed = parse_whole(
      ImportFormat::label_studio,
      R"([{"id":1,"data":{"prompt":"p","respuesta_vieja":"b","respuesta_nueva":"a"},"annotations":[{"id":7,"result":[{"type":"pairwise","from_name":"pw","to_name":"pw","value":{"selected":"left"}}]}]}])");
  EXPECT_TRUE(parsed.records.at(0).judgements.empty());
  EXPECT_TRUE(told(parsed, "which answer stood left"));
  EXPECT_TRUE(task(pairwise("uno,dos", "left")).records.at(0).judgements.empty());
}

TEST(LabelStudioVerdicts, a_choice_about_something_else_is_no_verdict) {
  const std::string none =
      R"({"type":"choices","from_name":"toxicity","to_name":"response_a","value":{"choices":["none"]}})";
  const ParsedFile alone = task(none);
  EXPECT_TRUE(alone.records.at(0).judgements.empty());
  EXPECT_TRUE(told(alone, "\"toxicity\""));
  const auto beside = task(none + "," + pairwise("response_b", "left")).records.at(0).judgements;
  ASSERT_EQ(beside.size(), 1U);
  EXPECT_EQ(beside[0].grade, -kPlainGrade);
}

TEST(LabelStudioVerdicts, the_comparison_stays_and_a_second_verdict_is_told) {
  const ParsedFile parsed =
      task(R"({"type":"choices","from_name":"best","to_name":"response_a","value":{"choices":["response_a"]}},)" +
           pairwise("response_a", "right"));
  ASSERT_EQ(parsed.records.at(0).judgements.size(), 1U);
  EXPECT_EQ(parsed.records[0].judgements[0].question, "best") << "of two that ask for a preference the first";
  EXPECT_TRUE(told(parsed, "\"pw\""));
  const ParsedFile other =
      task(R"({"type":"choices","from_name":"tono","to_name":"response_a","value":{"choices":["response_a"]}},)" +
           pairwise("response_a", "right"));
  EXPECT_EQ(other.records.at(0).judgements.at(0).question, "pw");
  EXPECT_TRUE(told(other, "\"tono\""));
}

TEST(ImportLanguages, names_become_codes_and_unknown_names_stay_undetermined) {
  const auto locale_of = [](const std::string& language) {
    return parse_whole(ImportFormat::lmsys,
                       cat(R"({"conversation":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}])",
                           language.empty() ? "" : cat(R"(,"language":")", language, "\""), "}"))
        .records.at(0)
        .locale;
  };
  EXPECT_EQ(locale_of("Polish"), "pl");
  EXPECT_EQ(locale_of("Turkish"), "tr");
  EXPECT_EQ(locale_of("português"), "pt");
  EXPECT_EQ(locale_of("pt_BR"), "pt-BR");
  EXPECT_EQ(locale_of("unknown"), "und") << "not the import's own locale, which is for rows that name none";
  EXPECT_EQ(locale_of("es-AAAAAAAAAAAAAAAAAAAA"), "und");
  EXPECT_EQ(locale_of(""), "");
}

TEST(OpenAssistantTrees, a_deleted_root_is_told_with_what_hangs_on_it) {
  const ParsedFile parsed =
      parse_whole(ImportFormat::open_assistant,
                  R"({"message_id":"a","text":"t","role":"prompter","message_tree_id":"a","deleted":true})"
                  "\n"
                  R"({"message_id":"b","parent_id":"a","text":"r","role":"assistant","message_tree_id":"a"})"
                  "\n"
                  R"({"message_id":"c","text":"u","role":"prompter","message_tree_id":"c"})");
  ASSERT_EQ(parsed.records.size(), 1U);
  ASSERT_EQ(parsed.skipped.size(), 1U);
  EXPECT_EQ(parsed.skipped[0].line, 1);
  EXPECT_TRUE(told(parsed, "1 messages below"));
}

TEST(OpenAssistantTrees, a_reply_that_its_reviewers_turned_down_is_no_candidate) {
  const ParsedFile parsed = parse_whole(
      ImportFormat::open_assistant,
      R"({"message_id":"a","text":"t","role":"prompter","message_tree_id":"a"})"
      "\n"
      R"({"message_id":"b","parent_id":"a","text":"r","role":"assistant","message_tree_id":"a","rank":0,"review_result":true})"
      "\n"
      R"({"message_id":"c","parent_id":"a","text":"spam","role":"assistant","message_tree_id":"a","review_result":false})"
      "\n"
      R"({"message_id":"d","parent_id":"a","text":"s","role":"assistant","message_tree_id":"a","rank":1000})");
  ASSERT_EQ(parsed.records.size(), 1U);
  ASSERT_EQ(parsed.records[0].answers.size(), 2U);
  EXPECT_EQ(parsed.records[0].answers[1].text, "s");
  ASSERT_EQ(parsed.skipped.size(), 2U);
  EXPECT_TRUE(told(parsed, "rank of 0 to 999"));
  EXPECT_TRUE(told(parsed, "passed by its reviewers"));
}

TEST(MarkdownSections, front_matter_is_no_prompt_and_names_the_language) {
  const ParsedFile parsed =
      parse_whole(ImportFormat::markdown, "---\ntitle: Guía\nlang: es-CL\n---\n\n# Uno\nhaz esto\n");
  ASSERT_EQ(parsed.records.size(), 1U);
  EXPECT_EQ(parsed.records[0].messages[0].content, "Uno\n\nhaz esto");
  EXPECT_EQ(parsed.records[0].locale, "es-CL");
  EXPECT_EQ(parsed.records[0].line, 6);
  const ParsedFile text = parse_whole(ImportFormat::markdown, "---\nUna frase sin más.\n\n---\n\notra\n");
  ASSERT_EQ(text.records.size(), 1U) << "a rule at the beginning opens no front matter";
  EXPECT_NE(text.records[0].messages[0].content.find("Una frase"), std::string::npos);
}

TEST(MarkdownSections, underlined_headings_open_sections) {
  const ParsedFile parsed = parse_whole(
      ImportFormat::markdown,
      "Un título\nen dos líneas\n====\ncuerpo\n\n- uno\n- dos\n---\n\nOtro\n---\nmás\n\n```\nx\n===\n```\n");
  ASSERT_EQ(parsed.records.size(), 2U);
  EXPECT_EQ(parsed.records[0].messages[0].content, "Un título en dos líneas\n\ncuerpo\n\n- uno\n- dos\n---");
  EXPECT_EQ(parsed.records[0].line, 1);
  EXPECT_EQ(parsed.records[1].messages[0].content, "Otro\n\nmás\n\n```\nx\n===\n```");
  EXPECT_EQ(parsed.records[1].line, 10);
}

}  // namespace
}  // namespace afina::datasets
