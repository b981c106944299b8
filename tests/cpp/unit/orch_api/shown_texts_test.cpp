// The kept texts of a list are always those of the versions that were asked for, and do not grow without bound.
#include "orch/api/sandboxd_o/shown_texts.hpp"

#include "codec/json.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace sandboxd::orch::sandboxd_o {
namespace {

SandboxRef version(std::size_t number, std::int64_t revision) {
  model::Sandbox sandbox;
  sandbox.id = SandboxId("sbx-" + std::to_string(number));
  sandbox.revision = revision;
  return std::make_shared<const model::Sandbox>(std::move(sandbox));
}

std::string text(ShownTexts& texts, const SandboxRef& sandbox) {
  std::string out;
  texts.append(sandbox, out);
  return out;
}

TEST(ShownTexts, are_those_of_the_version_asked_for) {
  ShownTexts texts;
  const SandboxRef first = version(1, 1);
  const SandboxRef second = version(1, 2);
  for (const SandboxRef& sandbox : {first, first, second, first})
    EXPECT_EQ(text(texts, sandbox), codec::write_json(sandbox_object(*sandbox)));
  EXPECT_EQ(texts.size(), 1U);
}

TEST(ShownTexts, of_sandboxes_that_are_gone_are_forgotten) {
  ShownTexts texts;
  const SandboxRef stays = version(0, 1);
  for (std::size_t i = 1; i != 10'000; ++i) {
    text(texts, stays);
    text(texts, version(i, 1));
    texts.forget_gone();
  }
  EXPECT_LT(texts.size(), 200U);
  EXPECT_GE(texts.size(), 1U);
}

TEST(ShownTexts, beyond_the_bound_are_written_each_time) {
  ShownTexts texts;
  std::vector<SandboxRef> all;
  for (std::size_t i = 0; i != ShownTexts::kKeptMax + 10; ++i) {
    all.push_back(version(i, 1));
    EXPECT_EQ(text(texts, all.back()), codec::write_json(sandbox_object(*all.back())));
  }
  EXPECT_EQ(texts.size(), ShownTexts::kKeptMax);
}

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
