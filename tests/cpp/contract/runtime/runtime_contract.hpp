// What every ports::SandboxRuntime must do, and the ports that look at the same machine: ImageLibrary, UsageMeter. The
// cases are in runtime_contract.cpp, life_contract.cpp, library_contract.cpp; an executable per adapter brings its
// harnesses. Commands are those of busybox, of which the memory runtime understands a few.
#pragma once

#include "ports/image_library.hpp"
#include "ports/sandbox_runtime.hpp"
#include "ports/usage_meter.hpp"
#include "support/run_task.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace sandboxd::test {

class RuntimeHarness {
 public:
  virtual ~RuntimeHarness() = default;
  [[nodiscard]] virtual ports::SandboxRuntime& runtime() = 0;
  // The node agent's process dies and starts again: a new adapter on the same world.
  virtual void restart() = 0;
  [[nodiscard]] virtual std::string image() const = 0;
  // One more image with a digest of its own, for a test to remove; its normalised name.
  [[nodiscard]] virtual std::string spare_image() = 0;
  [[nodiscard]] virtual std::string handler() const = 0;
  [[nodiscard]] virtual std::string network_namespace() const = 0;  // path
  [[nodiscard]] virtual std::string prefix() const = 0;             // of container keys, unique on the machine
  [[nodiscard]] virtual boost::asio::io_context& io() = 0;
  // The other ports of the same machine.
  [[nodiscard]] virtual ports::ImageLibrary& library() = 0;
  [[nodiscard]] virtual ports::UsageMeter& meter() = 0;
  // A container runs, within this limit of memory: where usage is not measured, it is put there.
  virtual void note_running(const std::string& key, std::int64_t memory_limit) = 0;

  template <class T>
  T run(Task<T> task) {
    return run_task(io(), std::move(task));
  }
};

struct RuntimeFactory {
  std::string name;
  std::function<std::unique_ptr<RuntimeHarness>()> make;
  friend std::ostream& operator<<(std::ostream& out, const RuntimeFactory& factory) { return out << factory.name; }
};

// Defined by each executable.
[[nodiscard]] std::vector<RuntimeFactory> runtime_factories();

}  // namespace sandboxd::test
