// What the cases of the suites in this folder have in common: one adapter, one image, containers that go with the case.
#pragma once

#include "contract/runtime/runtime_contract.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::test {

class RuntimeContract : public testing::TestWithParam<RuntimeFactory> {
 protected:
  RuntimeContract() : world_(GetParam().make()) {}
  ~RuntimeContract() override {
    for (const std::string& key : made_) (void)world_->run(world_->runtime().remove(key));
  }

  ports::SandboxRuntime& runtime() { return world_->runtime(); }

  ports::ContainerRequest request(const std::string& name, std::vector<std::string> args) {
    ports::ContainerRequest out;
    out.key = world_->prefix() + name;
    out.sandbox = SandboxId("sandbox-" + name);
    out.uid = "uid-" + name;
    out.handler = world_->handler();
    out.container.name = name;
    out.container.command_kind = model::CommandKind::given;
    out.container.args = std::move(args);
    out.container.resources.limit_memory_bytes.value = 256 << 20;
    out.image = image_;
    out.network_namespace = world_->network_namespace();
    out.hostname = "box";
    return out;
  }

  void SetUp() override {
    const auto image = world_->run(runtime().ensure_image(world_->image()));
    ASSERT_TRUE(image) << image.error().message();
    image_ = *image;
  }

  Result<void> create(ports::ContainerRequest container) {
    made_.insert(container.key);
    return world_->run(runtime().create(std::move(container)));
  }
  void create_started(ports::ContainerRequest container) {
    const std::string key = container.key;
    const auto made = create(std::move(container));
    ASSERT_TRUE(made) << made.error().message();
    const auto pid = world_->run(runtime().start(key));
    ASSERT_TRUE(pid) << pid.error().message();
    EXPECT_GT(*pid, 0U);
  }
  ports::FoundContainer find(const std::string& key) {
    const auto found = world_->run(runtime().list());
    EXPECT_TRUE(found) << found.error().message();
    for (const ports::FoundContainer& one : *found) {
      if (one.key == key) return one;
    }
    return {};
  }
  // Reads events until the container's exit.
  ports::ContainerExited wait_exit(const std::string& key, bool* out_of_memory = nullptr) {
    while (true) {
      const auto event = world_->run(runtime().next_event());
      if (!event) {
        ADD_FAILURE() << event.error().message();
        return {};
      }
      if (const auto* oom = std::get_if<ports::ContainerOutOfMemory>(&*event)) {
        if (oom->key == key && out_of_memory != nullptr) *out_of_memory = true;
        continue;
      }
      const auto& exit = std::get<ports::ContainerExited>(*event);
      if (exit.key == key) return exit;
    }
  }

  std::unique_ptr<RuntimeHarness> world_;
  ports::ImageInfo image_;
  std::set<std::string> made_;
};

}  // namespace sandboxd::test
