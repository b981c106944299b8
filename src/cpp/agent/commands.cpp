#include "agent/commands.hpp"

#include <algorithm>
#include <malloc.h>

namespace sandboxd::agent {
namespace {

constexpr std::size_t kTrimFrom = 256 * 1024;  // a trim costs more than a small command

bool is_id(const std::string& id) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), is_good);
}

bool has_nul(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const std::string& s) { return s.find('\0') != s.npos; });
}

Problem check(const Start& start) {
  if (!is_id(start.command)) return {EINVAL, "command id: 1 to 64 letters, digits, _ and - are wanted"};
  if (start.argv.empty() || start.argv.front().empty()) return {EINVAL, "argv: a program is wanted"};
  if (has_nul(start.argv) || has_nul(start.env) || start.cwd.find('\0') != std::string::npos) {
    return {EINVAL, "argv, env and cwd hold no NUL"};
  }
  if (start.keep_bytes > kKeepBytesMax) return {EINVAL, "keep_bytes: at most " + std::to_string(kKeepBytesMax)};
  return {};
}

}  // namespace

SpawnPlan plan_of(const Setup& setup, const Identity& identity, const std::string& home) {
  SpawnPlan plan;
  plan.argv = setup.argv;
  plan.env = setup.env;
  plan.cwd = setup.cwd.empty() ? "/" : setup.cwd;
  plan.identity = identity;
  plan.no_new_privileges = setup.no_new_privileges;
  if (!find_env(plan.env, "HOME")) plan.env.push_back("HOME=" + home);
  return plan;
}

Problem Commands::plan_for(const Start& start, SpawnPlan& plan) const {
  Identity identity = setup_.identity;
  std::string home = home_;
  if (!start.user.empty()) {
    const Names names;
    if (Problem wrong = names.resolve(start.user, setup_.identity, identity)) return wrong;
    home = names.home(identity.uid);
  }
  if (Problem refused = may_become(own_, identity)) return refused;
  plan = plan_of(setup_, identity, home);
  plan.argv = start.argv;
  plan.env = merge_env(std::move(plan.env), start.env);
  if (start.terminal && !find_env(plan.env, "TERM")) plan.env.emplace_back("TERM=xterm-256color");
  if (!start.cwd.empty()) plan.cwd = start.cwd.front() == '/' ? start.cwd : plan.cwd + "/" + start.cwd;
  return {};
}

Problem Commands::start(const Start& start, Started& started) {
  if (Problem wrong = check(start)) return wrong;
  if (commands_.count(start.command) != 0) return {EEXIST, "command " + start.command + " is there already"};
  if (commands_.size() >= kCommandsMax) {
    return {EAGAIN, "there are " + std::to_string(kCommandsMax) + " commands: forget finished ones"};
  }
  SpawnPlan plan;
  if (Problem wrong = plan_for(start, plan)) return wrong;
  const auto command = std::make_shared<Command>(loop_, start, [this](Command& over) {
    if (on_exited_) on_exited_(over.exited());
  });
  if (Problem failed = command->start(std::move(plan), start, own_, started)) return failed;
  commands_[start.command] = command;
  if (command->is_running()) running_[command->pid()] = command;
  return {};
}

std::shared_ptr<Command> Commands::find(const std::string& id) const {
  const auto found = commands_.find(id);
  return found == commands_.end() ? nullptr : found->second;
}

Problem Commands::forget(const std::string& id) {
  const auto found = commands_.find(id);
  if (found == commands_.end()) return {ENOENT, "there is no command " + id};
  if (!found->second->is_over()) return {EBUSY, "command " + id + " still runs"};
  untrimmed_bytes_ += found->second->ring(Output::out).held_bytes() + found->second->ring(Output::err).held_bytes();
  commands_.erase(found);
  if (untrimmed_bytes_ < kTrimFrom) return {};
  untrimmed_bytes_ = 0;
  ::malloc_trim(64 * 1024);  // what the rings held lies between smaller things
  return {};
}

CommandList Commands::list() const {
  CommandList list;
  for (const auto& [id, command] : commands_) list.commands.push_back(command->state());
  return list;
}

std::string Commands::of_group(pid_t group) const {
  const auto found = running_.find(group);
  return found == running_.end() ? std::string() : found->second->id();
}

std::int64_t Commands::active_ns() const {
  std::int64_t latest = 0;
  for (const auto& [id, command] : commands_) latest = std::max(latest, command->active_ns);
  return latest;
}

bool Commands::are_over() const {
  return std::all_of(commands_.begin(), commands_.end(), [](const auto& one) { return one.second->is_over(); });
}

bool Commands::on_exit(pid_t pid, int status) {
  const auto found = running_.find(pid);
  if (found == running_.end()) return false;
  const auto command = found->second;
  running_.erase(found);
  command->on_exit(status);
  return true;
}

void Commands::signal_all(int number) const {
  for (const auto& [pid, command] : running_) static_cast<void>(command->signal(number, true));
}

}  // namespace sandboxd::agent
