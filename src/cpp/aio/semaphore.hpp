// Bounds concurrency: at most `permits` holders, first come first served. One thread.
#pragma once

#include "aio/notifier.hpp"
#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace sandboxd::aio {

class Semaphore {
  struct State {
    State(boost::asio::any_io_executor on, std::size_t permits) : executor(std::move(on)), free(permits) {}
    // Wakes the next one alone: ten thousand may wait for a few places.
    void wake_next() {
      if (free > 0 && !waiting.empty()) waiting.begin()->second.notify();
    }
    boost::asio::any_io_executor executor;
    std::size_t free;
    std::uint64_t next_ticket = 0;
    std::map<std::uint64_t, Notifier> waiting;  // by ticket, the lowest is next
  };

 public:
  // Gives its place back when destroyed.
  class Permit {
   public:
    Permit() = default;
    explicit Permit(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Permit(Permit&& other) noexcept = default;
    Permit& operator=(Permit&& other) noexcept {
      release();
      state_ = std::move(other.state_);
      return *this;
    }
    ~Permit() { release(); }
    void release() {
      if (!state_) return;
      ++state_->free;
      state_->wake_next();
      state_.reset();
    }

   private:
    std::shared_ptr<State> state_;
  };

  Semaphore(boost::asio::any_io_executor executor, std::size_t permits)
      : state_(std::make_shared<State>(std::move(executor), permits)) {}

  // Throws operation_aborted when cancelled while waiting.
  [[nodiscard]] Task<Permit> acquire();
  [[nodiscard]] std::size_t available() const { return state_->free; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sandboxd::aio
