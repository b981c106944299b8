// What every SandboxNetwork must do, whatever is behind it. An adapter takes part by instantiating NetworkContract with
// a factory of its harness.
#pragma once

#include "base/task.hpp"
#include "ports/sandbox_network.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::test {

class NetworkHarness {
 public:
  virtual ~NetworkHarness() = default;
  [[nodiscard]] virtual ports::SandboxNetwork& network() = 0;
  // The node agent dies and starts again; the machine goes on. network() is another object then.
  virtual void restart() = 0;
  // Runs a task to its end.
  virtual void run(std::function<Task<void>()> work) = 0;
  // Another program takes or leaves a TCP port of the host.
  virtual void occupy(int port) = 0;
  // The name of the `number`th slot. The range should have few addresses (at most 20).
  [[nodiscard]] virtual std::string slot_name(int number) const = 0;
};

using HarnessFactory = std::function<std::unique_ptr<NetworkHarness>()>;

class NetworkContract : public ::testing::TestWithParam<HarnessFactory> {
 protected:
  NetworkContract() : harness(GetParam()()) {}

  template <class T>
  T call(Task<T> task) {
    std::optional<T> result;
    harness->run([&]() -> Task<void> { return keep(std::move(task), result); });
    return std::move(*result);
  }
  ports::SandboxNetwork& network() { return harness->network(); }
  ports::NetworkSlot make(int number) { return call(network().make_slot(harness->slot_name(number))).value(); }

  std::unique_ptr<NetworkHarness> harness;

 private:
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& result) {
    auto value = co_await std::move(task);
    result.emplace(std::move(value));
  }
};

}  // namespace sandboxd::test
