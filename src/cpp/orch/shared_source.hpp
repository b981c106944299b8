// One body for several readers, at the pace of the slowest: a piece goes when all have taken it. Core thread only.
#pragma once

#include "aio/notifier.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sandboxd::orch {

class SharedSource {
 public:
  // `readers` will be made of it; until all of them read or leave, nobody gets the second piece.
  SharedSource(const boost::asio::any_io_executor& executor, ports::BodySource source, std::size_t readers)
      : changed_(executor), source_(std::move(source)), readers_(readers) {}

  class Reader {
   public:
    explicit Reader(std::shared_ptr<SharedSource> source) : source_(std::move(source)) {}
    ~Reader() { leave(); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    [[nodiscard]] Task<Result<std::optional<std::string>>> next() { return source_->read(&taken_); }
    // Wants nothing more.
    void leave() {
      if (std::exchange(has_left_, true)) return;
      --source_->readers_;
      // It counts no more for the piece that is out.
      if (taken_ == source_->number_ && source_->number_ > 0) --source_->served_;
      source_->changed_.notify();
    }

   private:
    std::shared_ptr<SharedSource> source_;
    std::uint64_t taken_ = 0;  // number of its last piece
    bool has_left_ = false;
  };

 private:
  Task<Result<std::optional<std::string>>> read(std::uint64_t* taken) {
    while (*taken == number_) {
      if (is_reading_ || (number_ > 0 && served_ < readers_)) {
        co_await changed_.wait();
        continue;
      }
      co_await fetch();
    }
    *taken = number_;
    ++served_;
    if (served_ >= readers_) changed_.notify();
    co_return piece_;
  }

  // The next piece from the source. Whoever comes first reads it for all.
  Task<void> fetch() {
    // Also when the reader is cancelled: another one goes on.
    struct Reading {
      explicit Reading(SharedSource& owner) : source(owner) { source.is_reading_ = true; }
      ~Reading() {
        source.is_reading_ = false;
        source.changed_.notify();
      }
      SharedSource& source;
    };
    const Reading until_the_end(*this);
    auto piece = co_await source_();
    piece_ = std::move(piece);
    served_ = 0;
    ++number_;
  }

  aio::Notifier changed_;
  ports::BodySource source_;
  std::size_t readers_;
  std::size_t served_ = 0;  // readers that have the piece
  std::uint64_t number_ = 0;
  bool is_reading_ = false;
  Result<std::optional<std::string>> piece_ = std::optional<std::string>();
};

}  // namespace sandboxd::orch
