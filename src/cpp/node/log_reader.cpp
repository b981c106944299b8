#include "node/log_reader.hpp"

#include "base/limits.hpp"

#include <optional>
#include <utility>

namespace sandboxd::node {
namespace {

using Outputs = std::vector<ports::ContainerOutput>;

bool has_output(const Entry& entry) {
  return entry.record.phase != model::Phase::creating || entry.pipes.size() == entry.record.containers.size();
}

}  // namespace

// Known to the entry, which ends it; owned by the reader.
class LogFollow {
 public:
  LogFollow(EntryPtr entry, ports::OutputCollector& output, std::vector<std::string> containers)
      : entry_(std::move(entry)), output_(output), containers_(std::move(containers)) {}

  void finish() {
    is_finished_ = true;
    if (reader_) reader_->finish();
  }

  Task<Result<std::optional<Outputs>>> next() {
    const bool is_first = !std::exchange(has_begun_, true);
    while (!reader_) {
      if (is_first && !has_output(*entry_)) co_return std::optional(Outputs());
      while (!has_output(*entry_) && !is_finished_) co_await entry_->changed.wait();
      auto opened = co_await output_.follow(entry_->id(), containers_);
      if (!opened && opened.error().code() == ErrorCode::not_found) co_return std::optional<Outputs>();
      if (!opened) co_return opened.error();
      reader_ = *std::move(opened);
      if (is_finished_) reader_->finish();
    }
    auto outputs = co_await reader_->next();
    co_return outputs;
  }

 private:
  EntryPtr entry_;
  ports::OutputCollector& output_;
  std::vector<std::string> containers_;
  std::unique_ptr<ports::OutputReader> reader_;
  bool has_begun_ = false;
  bool is_finished_ = false;
};

namespace {

class EntryReader final : public ports::OutputReader {
 public:
  explicit EntryReader(std::shared_ptr<LogFollow> follow) : follow_(std::move(follow)) {}
  Task<Result<std::optional<Outputs>>> next() override {
    const auto follow = follow_;
    co_return co_await follow->next();
  }
  void finish() override { follow_->finish(); }

 private:
  std::shared_ptr<LogFollow> follow_;
};

bool is_over(const Entry& entry) {
  return entry.gone || entry.record.phase == model::Phase::stopped || entry.record.phase == model::Phase::failed;
}

}  // namespace

void end_log_follows(Entry& entry) {
  for (const auto& weak : std::exchange(entry.log_follows, {})) {
    if (const auto follow = weak.lock()) follow->finish();
  }
}

Result<std::unique_ptr<ports::OutputReader>> follow_entry(const EntryPtr& entry, ports::OutputCollector& output,
                                                          std::vector<std::string> containers) {
  std::erase_if(entry->log_follows, [](const auto& weak) { return weak.expired(); });
  if (entry->log_follows.size() >= limits::kLogFollowersMax)
    return Error(ErrorCode::resource_exhausted, "too many follow the log of " + entry->id().str() + " (max " +
                                                    std::to_string(limits::kLogFollowersMax) + "): end some first");
  auto follow = std::make_shared<LogFollow>(entry, output, std::move(containers));
  entry->log_follows.push_back(follow);
  if (is_over(*entry)) follow->finish();
  return std::unique_ptr<ports::OutputReader>(std::make_unique<EntryReader>(std::move(follow)));
}

}  // namespace sandboxd::node
