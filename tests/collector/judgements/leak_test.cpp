// SPDX-License-Identifier: Apache-2.0
// Which answers name their maker, and which only seem to.
#include "collector/judgements/leak.h"

#include <gtest/gtest.h>

namespace afina::collector {
namespace {

const LeakDetector& detector() {
  static const LeakDetector made({"smollm2-135m", "base", "Modelo Andino", "v2", "7"});
  return made;
}

TEST(Leak, SeesAMakersOrModelsNameInSpanishPortugueseAndEnglish) {
  const char* answers[] = {
      "Soy un modelo de lenguaje entrenado por OpenAI.",
      "Soy ChatGPT, ¿en qué te ayudo?",
      "soy un modelo de Google",
      "Soy un modelo de lenguaje de gran tamaño desarrollado por Meta.",
      "Soy Claude, y estoy aquí para ayudarte",
      "Me llamo Claude.",
      "Mi nombre es Gemini",
      "Soy Gemini, un modelo de Google.",
      "Soy un asistente de IA creado por Microsoft",
      "Fui creado por Google para ayudar",
      "Me entrenó Google",
      "Sou um modelo de linguagem treinado pela Google.",
      "Sou o ChatGPT",
      "Fui desenvolvido pela Meta",
      "Meu nome é Gemini",
      "Sou um assistente virtual criado por Amazon.",
      "I am Claude, made by Anthropic.",
      "I'm Claude",
      "I’m a Llama model",
      "I was trained by Google.",
      "As an AI language model developed by Meta, I cannot",
      "As a large language model trained by Google",
      "Como modelo de lenguaje de OpenAI no puedo",
      "Como modelo de IA desarrollado por Google, no tengo opiniones",
      "Uso GPT-4.1 para responder",
      "gpt-4o",
      "QWEN responde",
      "＂ＯｐｅｎＡＩ＂",
      "Open\u200bAI",
      "ÓpénÁI",
      "A\u0301nthropic",
      "fui afinado como Latam-GPT",
      "Aquí SmolLM2-135M: buenas tardes",
      "habla el modelo andino",
      "Soy base",
  };
  for (const char* answer : answers)
    EXPECT_TRUE(detector().reveals(answer)) << answer;
}

TEST(Leak, IsNotTakenInByFalseFriends) {
  const char* answers[] = {
      "",
      "The opening of the shop is at nine.",
      "Mi meta es terminar la escuela.",
      "Soy ambicioso y mi meta es terminar.",
      "Soy géminis, con ascendente en leo.",
      "I am a Gemini, born in June.",
      "Los géminis nacen en junio",
      "Se llama María y vive en Puno.",
      "¿Cómo se llama tu perro?",
      "La llama es un animal de los Andes.",
      "Soy una llama y vivo en el cerro.",
      "Como una llama en la noche",
      "La vicuña da una lana muy fina.",
      "El mistral es un viento frío.",
      "Google Maps te muestra el camino.",
      "Android fue desarrollado por Google.",
      "Soy profesora. Meta es un departamento de Colombia.",
      "Soy de Villavicencio, en el Meta",
      "Claude Monet pintó nenúfares.",
      "Trabajo en Microsoft Word",
      "Busque en Google cómo hacerlo",
      "La partición GPT del disco",
      "El río Amazonas",
      "Apple pie with cinnamon",
      "Puede usar una base de maquillaje",
      "Como llama la atención",
      "El poema habla de una llama que arde, como Meta en invierno",
      "versión v2 y 7 más",
      "el modelo y el andino",
      "Soy una inteligencia artificial y no tengo nombre.",
      "Eu sabia que ele vinha",
      "Soy lo que sabía: nada",
  };
  for (const char* answer : answers)
    EXPECT_FALSE(detector().reveals(answer)) << answer;
}

TEST(Leak, GivesTheSameVerdictHoweverTheAnswerIsCut) {
  for (const std::string answer : {"Hola, soy un modelo de lenguaje entrenado por OpenAI.", "Uso GPT-4.1 y ya",
                                   "ÓpénÁI dijo algo", "Soy géminis y mi meta es clara. Google Maps ayuda"}) {
    const bool expected = detector().reveals(answer);
    for (size_t cut = 1; cut <= 7; ++cut) {
      LeakWatch watch(detector());
      for (size_t at = 0; at < answer.size(); at += cut)
        watch.append(std::string_view(answer).substr(at, cut));
      EXPECT_EQ(watch.end(), expected) << answer << " cut at " << cut;
    }
  }
}

TEST(Leak, WarnsAsSoonAsTheWordHasEndedAndStaysWarned) {
  LeakWatch watch(detector());
  EXPECT_FALSE(watch.append("Soy un modelo entrenado por Open"));
  EXPECT_FALSE(watch.append("AI")) << "OpenAIxyz would be another word";
  EXPECT_TRUE(watch.append(","));
  EXPECT_TRUE(watch.append(" y nada más"));
  EXPECT_TRUE(watch.end());
}

TEST(Leak, BearsBytesThatAreNoText) {
  LeakWatch watch(detector());
  EXPECT_FALSE(watch.append("\xff\xfe\xc3"));
  EXPECT_FALSE(watch.append("\x28 hola \xf0\x9f"));
  EXPECT_FALSE(watch.end());
  EXPECT_FALSE(detector().reveals(std::string(100'000, 'x')));
}

TEST(Leak, FoldsCapitalsAccentsAndWideForms) {
  EXPECT_EQ(fold_words("ÑANDÚ  Ｇｐｔ-4.1!"), "nandu gpt 4 1 ");
  EXPECT_EQ(fold_words("e\u0301"), "e");
  EXPECT_EQ(fold_words("ŋ Ž ß ø Ÿ ſ"), "n z s o y s");
}

}  // namespace
}  // namespace afina::collector
