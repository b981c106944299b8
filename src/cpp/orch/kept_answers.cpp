#include "orch/kept_answers.hpp"

#include "base/limits.hpp"

namespace sandboxd::orch {
namespace {

constexpr std::size_t kForgottenPerPut = 64;  // so that a turn stays short when many expire together

bool is_too_old(const model::KeptAnswer& answer, WallTime now) {
  return now - answer.created_at > limits::kAnswerAgeMax;
}

}  // namespace

std::size_t KeptAnswers::size_of(const model::KeptAnswer& answer) {
  return answer.owner.size() + answer.key.size() + answer.fingerprint.size() + answer.text.size();
}

void KeptAnswers::load(std::vector<model::KeptAnswer> answers) {
  for (model::KeptAnswer& answer : answers) {
    const Key key{answer.owner, answer.key};
    replace(key, std::make_shared<const model::KeptAnswer>(std::move(answer)));
  }
}

KeptAnswers::Ref KeptAnswers::find(const std::string& owner, const std::string& key, WallTime now) const {
  const auto found = answers_.find({owner, key});
  if (found == answers_.end() || is_too_old(*found->second, now)) return nullptr;
  return found->second;
}

void KeptAnswers::put(model::KeptAnswer answer, WallTime now) {
  const Key key{answer.owner, answer.key};
  const auto change = [this](const Key& which, Ref after) {
    const auto found = answers_.find(which);
    before_.try_emplace(which, found == answers_.end() ? nullptr : found->second);
    replace(which, std::move(after));
  };
  change(key, std::make_shared<const model::KeptAnswer>(std::move(answer)));
  for (std::size_t n = 0; n < kForgottenPerPut && !by_age_.empty(); ++n) {
    const Key oldest = by_age_.begin()->second;
    const bool is_over = answers_.size() > limits::kAnswersMax || bytes_ > limits::kAnswersBytesMax;
    if (oldest == key || (!is_over && !is_too_old(*answers_.at(oldest), now))) break;
    change(oldest, nullptr);
  }
}

void KeptAnswers::replace(const Key& key, Ref after) {
  const auto found = answers_.find(key);
  if (found != answers_.end()) {
    by_age_.erase({found->second->created_at, key});
    bytes_ -= size_of(*found->second);
  }
  if (after) {
    by_age_.emplace(after->created_at, key);
    bytes_ += size_of(*after);
    answers_[key] = std::move(after);
  } else if (found != answers_.end()) {
    answers_.erase(found);
  }
}

void KeptAnswers::add_changes(std::vector<ports::StoreChange>& out) const {
  for (const auto& [key, before] : before_) {
    const auto now = answers_.find(key);
    if (now != answers_.end()) {
      out.emplace_back(ports::PutAnswer{*now->second});
    } else if (before) {
      out.emplace_back(ports::EraseAnswer{key.first, key.second});
    }
  }
}

void KeptAnswers::undo() {
  for (const auto& [key, before] : before_) replace(key, before);
  before_.clear();
}

}  // namespace sandboxd::orch
