#include "agent/requests.hpp"

#include "agent/calls/attach.hpp"
#include "agent/proc.hpp"

#include <algorithm>

namespace sandboxd::agent {
namespace {

void answer(const Problem& problem, Channel& channel) {
  if (problem) return channel.fail(problem);
  channel.reply(Empty{});
}

Problem unknown(const std::string& command) { return {ENOENT, "there is no command " + command}; }

}  // namespace

bool AgentRequests::open(Type type, std::string_view payload, Channel& channel) {
  if (type != Type::ping) active_ns_ = wall_ns();
  switch (type) {
    case Type::ping: channel.reply(Empty{}); return payload.empty();
    case Type::ports: channel.reply(listening_ports(own_)); return payload.empty();
    case Type::processes: {
      ProcessList list = running_processes([this](pid_t group) { return commands_.of_group(group); });
      list.active_ns = std::max(active_ns_, commands_.active_ns());
      channel.reply(list);
      return payload.empty();
    }
    default: return open_command(type, payload, channel);
  }
}

bool AgentRequests::open_command(Type type, std::string_view payload, Channel& channel) {
  switch (type) {
    case Type::start: return open_start(payload, channel);
    case Type::attach: return open_attach(payload, channel);
    case Type::signal: return open_signal(payload, channel);
    case Type::resize: return open_resize(payload, channel);
    case Type::forget: return open_forget(payload, channel);
    case Type::commands: channel.reply(commands_.list()); return payload.empty();
    default: return files_.open(type, payload, channel);
  }
}

bool AgentRequests::open_start(std::string_view payload, Channel& channel) {
  const auto request = decode<Start>(payload);
  if (!request) return false;
  Started started;
  if (const Problem failed = commands_.start(*request, started)) {
    channel.fail(failed);
  } else {
    channel.reply(started);
  }
  return true;
}

bool AgentRequests::open_attach(std::string_view payload, Channel& channel) {
  const auto request = decode<Attach>(payload);
  if (request) AttachCall::open(commands_.find(request->command), *request, channel);
  return request.has_value();
}

bool AgentRequests::open_signal(std::string_view payload, Channel& channel) {
  const auto request = decode<Signal>(payload);
  if (!request) return false;
  const auto command = commands_.find(request->command);
  answer(command ? command->signal(request->number, request->whole_group) : unknown(request->command), channel);
  return true;
}

bool AgentRequests::open_resize(std::string_view payload, Channel& channel) {
  const auto request = decode<Resize>(payload);
  if (!request) return false;
  const auto command = commands_.find(request->command);
  answer(command ? command->resize(request->rows, request->columns) : unknown(request->command), channel);
  return true;
}

bool AgentRequests::open_forget(std::string_view payload, Channel& channel) {
  const auto request = decode<Forget>(payload);
  if (request) answer(commands_.forget(request->command), channel);
  return request.has_value();
}

}  // namespace sandboxd::agent
