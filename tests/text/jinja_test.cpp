// SPDX-License-Identifier: Apache-2.0
// Marks of people's text, {% generation %} ranges, and templates written to do harm.
#include "text/jinja.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "text/frozen_date.h"

namespace afina::text {
namespace {

using testing::HasSubstr;

JinjaTemplate::Rendered render(const std::string& source, const OrderedJson& variables = OrderedJson::object(),
                               const JinjaLimits& limits = {}) {
  return JinjaTemplate(source, limits).render(variables, [](const std::string& format) { return format; });
}

OrderedJson one_message(const std::string& content) {
  return {{"messages", {{{"role", "user"}, {"content", content}}}}};
}

TEST(JinjaTemplate, marks_what_came_from_message_contents_and_nothing_else) {
  const auto out = render("<{{ messages[0].role }}>{{ messages[0].content }}</>", one_message("hola"));
  EXPECT_EQ(out.text, "<user>hola</>");
  EXPECT_EQ(out.from_people, (std::vector<TextRange>{{6, 10}}));
}

TEST(JinjaTemplate, keeps_marks_through_trim_and_concatenation) {
  const auto out = render("{{ '[' + messages[0]['content'] | trim + ']' }}", one_message("  hola \n"));
  EXPECT_EQ(out.text, "[hola]");
  EXPECT_EQ(out.from_people, (std::vector<TextRange>{{1, 5}}));
}

TEST(JinjaTemplate, keeps_marks_wherever_text_goes_and_gives_none_to_roles) {
  const OrderedJson variables = {
      {"messages",
       {{{"role", "tool"}, {"name", "Eva"}, {"content", {{{"type", "text"}, {"text", "a b"}}}}, {"x", {{"k", "v"}}}}}},
      {"tools", {{{"name", "hora"}}}}};
  const auto marked = [&](const std::string& source) {
    const auto out = render(source, variables);
    std::string all;
    for (const TextRange& range : out.from_people) {
      if (!all.empty()) all += "|";
      all += out.text.substr(range.begin, range.end - range.begin);
    }
    return all;
  };
  EXPECT_EQ(marked("{{ messages[0].role }}"), "");
  EXPECT_EQ(marked("<{{ messages[0].name|upper }}>"), "EVA");
  EXPECT_EQ(marked("{{ messages[0].content[0].text.split(' ')|join('-') }}"), "a|b");
  EXPECT_EQ(marked("{{ '%s!' % messages[0].name }}{{ '{}?'.format(messages[0].name) }}"), "Eva|Eva");
  EXPECT_EQ(marked("{{ messages[0].x|tojson }}"), "k|v");
  EXPECT_EQ(marked("{{ [messages[0].name] }}"), "Eva");
  EXPECT_EQ(marked("{{ messages[0].name|replace('v', '--') }}"), "E|a");
  EXPECT_EQ(marked("{% macro f(x) %}({{ x }}){% endmacro %}{{ f(messages[0].name)|indent }}"), "Eva");
  EXPECT_EQ(marked("{{ messages[0].name[::-1] }}{{ messages[0].name|e }}"), "avEEva");
  EXPECT_EQ(marked("{{ tools[0]|tojson }}"), "name|hora");
  EXPECT_EQ(marked("{% for k in messages[0].x %}{{ k }}{% endfor %}"), "k");
}

TEST(JinjaTemplate, cuts_generation_tags_out_and_gives_their_ranges) {
  const auto out = render("a{% generation %}bc{% endgeneration %}d{%- generation -%} e {%- endgeneration -%}f");
  EXPECT_EQ(out.text, "abcdef");
  EXPECT_EQ(out.generation, (std::vector<TextRange>{{1, 3}, {4, 5}}));
  EXPECT_EQ(render("{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}<{{ f()|upper }}>").generation,
            (std::vector<TextRange>{{1, 2}}));
  EXPECT_TRUE(JinjaTemplate("{% generation %}{% endgeneration %}").marks_generation());
}

TEST(JinjaTemplate, asks_the_given_clock) {
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y') }}").text, "%d %b %Y");
}

TEST(JinjaTemplate, quotes_what_the_template_says_when_it_refuses) {
  try {
    render("{{ raise_exception('roles must alternate') }}");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'roles must alternate'"));
  }
}

TEST(JinjaTemplate, refuses_what_is_no_template) {
  for (const char* source : {"", "{% if %}", "{{ a", "{% for x in y %}", "{% nonsense %}", "{{ 'a }}", "{% set x %}",
                             "{{ f( }}", "{{ [1, }}", "{{ {'a': }}", "{% macro %}", "{%", "{{ 99999999999999999999 }}",
                             "{% do x %}", "{{ a is b is c }}", "{% raw %}", "\xff", "{% endif %}", "{{ 'a\\"}) {
    EXPECT_THROW(JinjaTemplate{std::string(source)}, ModelError) << source;
  }
}

TEST(JinjaTemplate, refuses_nesting_on_which_a_recursive_parser_would_exhaust_the_stack) {
  const auto repeat = [](const std::string& text, int n) {
    std::string out;
    while (n-- > 0)
      out += text;
    return out;
  };
  EXPECT_THROW(JinjaTemplate("{{ " + repeat("(", 100000)), ModelError);
  EXPECT_THROW(JinjaTemplate("{{ " + repeat("[", 100000)), ModelError);
  EXPECT_THROW(JinjaTemplate("{{ " + repeat("not ", 100000) + "a }}"), ModelError);
  EXPECT_THROW(JinjaTemplate("{{ a" + repeat(" if a else a", 50000) + " }}"), ModelError);
  EXPECT_THROW(JinjaTemplate("{{ a" + repeat(" + a", 100000) + " }}"), ModelError);
  EXPECT_THROW(JinjaTemplate("{{ a" + repeat(".b", 100000) + " }}"), ModelError);
  EXPECT_THROW(JinjaTemplate(repeat("{% if a %}", 50000)), ModelError);
  EXPECT_THROW(JinjaTemplate("{% if a %}" + repeat("{% elif a %}", 50000) + "{% endif %}"), ModelError);
  EXPECT_THROW(JinjaTemplate(repeat("{% set a %}", 50000)), ModelError);
  EXPECT_THROW(JinjaTemplate(repeat("{% filter trim %}", 50000)), ModelError);
  EXPECT_THROW(JinjaTemplate(std::string((1 << 20) + 1, 'a')), ModelError);
  EXPECT_NO_THROW(JinjaTemplate(repeat("{% if a %}x{% endif %}", 10000)));
}

struct Hostile {
  const char* source;
  const char* limit;
};

// Under the limits that every template meets, not under tighter ones.
TEST(JinjaTemplate, stops_templates_that_would_not_end_or_would_fill_memory) {
  const Hostile hostile[] = {
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep"},
      {"{% macro f() %}{% if true %}{{ g() }}{% endif %}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
       ""},
      {"{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}x{% endfor %}", "steps"},
      {"{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}x{% endfor %}{% endfor %}"
       "{% endfor %}",
       "steps"},
      {"{% for a in range(1000000000) %}{% endfor %}", "ranges"},
      {"{% for a in range(0, -1000000000, -1) %}{% endfor %}", "ranges"},
      {"{{ 'x' * 10**9 }}", "values"},
      {"{{ 1000000000 * 'x' }}", "values"},
      {"{{ [0] * 10**9 }}", "items"},
      {"{{ 'x'.center(10**9) }}{{ 'x'|center(10**9) }}", "values"},
      {"{{ 'x'.ljust(10**12) }}", "values"},
      {"{{ 'x'.zfill(10**9) }}", "values"},
      {"{{ '%1000000000d' % 1 }}", "values"},
      {"{{ '{:>1000000000}'.format(1) }}", "values"},
      {"{{ 'a'|indent(10**10, true) }}", "values"},
      {"{{ [1]|tojson(indent=10**10) }}", "values"},
      {"{% set x = 'x' * 10**6 %}{{ x.replace('x', x) }}", "values"},
      {"{% set x = 'x' * 10**6 %}{{ x|replace('', x) }}", "values"},
      {"{% set x = 'x' * 10**6 %}{{ x|join(x) }}", ""},
      {"{{ ('x' * 10**7)|list }}", ""},
      {"{{ ('x ' * 2000000).split() }}", "items"},
      {"{% set x = 'a' * 10**6 %}{% for i in range(100000) %}{{ (x ~ 'b') in x }}{% endfor %}", "steps"},
      {"{% set ns = namespace(x='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
       ""},
      {"{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", ""},
      {"{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
       ""},
      {"{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
       "{{ ns.x == ns.x ~ '' }}{{ ns.x|tojson }}",
       ""},
      {"{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}", "deep"},
      {"{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x].index %}{% endfor %}", "deep"},
      {"{% set ns = namespace(l=[]) %}{% for i in range(90) %}{% set ns.l = ns.l + ['x' * 10**6 ~ i] %}{% endfor %}",
       "bytes"},
      {"{% set x = 'x' * 100000 %}{% for i in range(1000) %}{{ x }}{% endfor %}", ""},
      {"{% macro f(n) %}{{ 'x' * 10**6 }}{{ f(n) }}{% endmacro %}{{ f(1) }}", ""},
  };
  for (const auto& [source, limit] : hostile) {
    const auto start = std::chrono::steady_clock::now();
    try {
      render(source);
      ADD_FAILURE() << source;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr(limit)) << source;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5)) << source;
  }
}

// Knots of values must come apart: these end, and a sanitizer would see what they leave.
TEST(JinjaTemplate, takes_templates_that_tie_values_into_knots) {
  for (const char* source : {
           "{% set ns = namespace() %}{% set ns.x = ns %}{% set ns.y = [ns] %}",
           "{% set ns = namespace() %}{% macro f() %}{% macro g() %}{% endmacro %}{% set ns.f = g %}{% endmacro %}"
           "{% set ns.f = f %}{% for i in range(2000) %}{{ ns.f() }}{% endfor %}",
           "{% set ns = namespace(x=0) %}{% for i in range(20000) %}{% set ns.x = namespace(y=ns.x) %}{% endfor %}",
           "{% set ns = namespace() %}{% for i in [1, 2] recursive %}{% set ns.l = loop %}{{ "
           "loop.changed(loop.changed) }}"
           "{% endfor %}{{ ns.l.index }}{{ ns.l.previtem }}",
           "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% set x = caller %}{% endcall %}",
       }) {
    EXPECT_NO_THROW(render(source)) << source;
  }
}

TEST(JinjaTemplate, multiplies_and_repeats_as_before_within_its_limits) {
  EXPECT_EQ(render("{{ 'ab' * 3 }}{{ 2 * 3 }}{{ 2.5 * 2 }}{{ -1 * 'x' }}").text, "ababab65.0");
  EXPECT_EQ(render("{% for i in range(2, 8, 3) %}{{ i }},{% endfor %}").text, "2,5,");
  EXPECT_EQ(render("{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}").text, "02");
}

TEST(FrozenDate, formats_one_day_in_english_whatever_the_locale) {
  const FrozenDate date("2026-11-21");
  EXPECT_EQ(date.format("%d %b %Y, %A %B %e %j %F %H:%M:%S %%"),
            "21 Nov 2026, Saturday November 21 325 2026-11-21 00:00:00 %");
  for (const char* bad : {"", "2026-02-30", "21-11-2026", "2026-11-21x", "2026-1-1", "0000-00-00", "hoy"}) {
    EXPECT_THROW(FrozenDate{bad}, DataError) << bad;
  }
  EXPECT_THROW(date.format("%Q"), DataError);
}

}  // namespace
}  // namespace afina::text
