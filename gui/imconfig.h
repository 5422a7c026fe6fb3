// SPDX-License-Identifier: Apache-2.0
// Compile-time settings of Dear ImGui, the same for the library and for everything that includes it.
#pragma once

#define ImDrawIdx unsigned int            // plots may hold more than 64k vertices in one list
#define IMGUI_USE_WCHAR32                 // model output holds code points above U+FFFF
#define IMGUI_DISABLE_OBSOLETE_FUNCTIONS  // an update of the library that drops a call fails at compile time

#ifdef AFINA_UI_TESTS
#define IMGUI_TEST_ENGINE_ENABLE_COROUTINE_STDTHREAD_IMPL 1
#include "imgui_te_imconfig.h"  // defines IMGUI_ENABLE_TEST_ENGINE
#endif
