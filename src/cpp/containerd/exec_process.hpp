// Processes that containerd starts beside a container's own. Private to this folder.
//
// Each has a directory of its own, <run_dir>/execs/<key>/<exec id>, with its pipes: that is how what an earlier run of
// the node agent started is found again.
#pragma once

#include "containerd/context.hpp"
#include "ports/runtime_exec.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::containerd {

class Execs {
 public:
  explicit Execs(Context& context) : context_(context) {}
  // As the methods of ports::RuntimeExec.
  [[nodiscard]] Task<Result<std::shared_ptr<ports::RuntimeProcess>>> start(ports::RuntimeExecRequest request);
  [[nodiscard]] Task<Result<void>> end_left();

 private:
  [[nodiscard]] std::string next_id();
  Context& context_;
  std::uint64_t drawn_ = 0;
  std::optional<std::vector<std::pair<std::string, std::string>>> left_;  // key, exec id
};

}  // namespace sandboxd::containerd
