// Answers kept under idempotency keys: bounded in age, number and bytes, the oldest is forgotten first.
//
// Part of the engine's state: changes belong to a turn and are stored with it, or undone with it. Reads no clock.
#pragma once

#include "base/time.hpp"
#include "model/kept_answer.hpp"
#include "ports/store.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::orch {

class KeptAnswers {
 public:
  using Ref = std::shared_ptr<const model::KeptAnswer>;

  void load(std::vector<model::KeptAnswer> answers);

  // nullptr when there is none, or it is older than limits::kAnswerAgeMax.
  [[nodiscard]] Ref find(const std::string& owner, const std::string& key, WallTime now) const;
  // Keeps it, in the place of an earlier one of that key, and forgets what is then too old or too much.
  void put(model::KeptAnswer answer, WallTime now);

  [[nodiscard]] std::size_t size() const { return answers_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // The turn: what the store must learn, and its end.
  void add_changes(std::vector<ports::StoreChange>& out) const;
  void accept() { before_.clear(); }
  void undo();

 private:
  using Key = std::pair<std::string, std::string>;  // owner, key

  void replace(const Key& key, Ref after);
  [[nodiscard]] static std::size_t size_of(const model::KeptAnswer& answer);

  std::map<Key, Ref> answers_;
  std::set<std::pair<WallTime, Key>> by_age_;
  std::size_t bytes_ = 0;
  std::map<Key, Ref> before_;  // of the turn; a null version means "was not there"
};

}  // namespace sandboxd::orch
