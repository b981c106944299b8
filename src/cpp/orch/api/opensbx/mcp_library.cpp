#include "orch/api/opensbx/mcp_library.hpp"

#include <map>
#include <string>

namespace sandboxd::orch::opensbx {
namespace {

constexpr const char* kHowItWorks = R"(# How it works

A sandbox is an isolated machine made of a container image. It runs nothing of its own: it waits for commands, and is
stopped (not removed) when its time is over.

## What there is

- `sandbox_*`: make, list, inspect, start, stop, restart, pause, resume and remove sandboxes; `sandbox_stats` and
  `sandbox_network_get` tell what one uses and where its ports are reached; `sandbox_renew_expiration` gives it more time.
- `command_*`: run programs in a sandbox. A command goes on when nobody waits for it; what it writes is kept.
- `file_*`: read, write, list and remove files of a sandbox that runs.
- `image_*`: the images that sandboxes can be made of.

## The usual order

1. `image_list`; `image_pull` when the image is not there.
2. `sandbox_create` with the image, and the ports of the service that is to be seen from outside.
3. `file_list` and `file_read` to find out where the project is. Give that directory as `cwd` from then on.
4. `command_exec` with `wait: true` for what ends soon; without it for servers and long builds.
5. `command_get` and `command_logs` to see how a long command is doing; `command_kill` to end it.
6. `sandbox_delete` when nothing of it is needed any more.

## Common mistakes

- `command` is a program, not a line for a shell: use `command: "sh"`, `args: ["-c", "a && b"]` for lines.
- `env` of a command is an object (`{"NAME": "value"}`); `env` of `sandbox_create` is a list (`["NAME=value"]`).
- `command_list` takes `id`, the other command tools take `sandbox_id`.
- Creating a sandbox does not start an application in it.
- A service must listen on 0.0.0.0; only the first port of a sandbox has a URL.
- Commands and files need a sandbox that runs: `sandbox_start` or `sandbox_resume` it first.
)";

constexpr const char* kQuickstart = R"(# Quickstart

## Run a project in the background and look at its logs

1. `sandbox_create` `{"image": "node:22", "ports": ["3000"], "timeout": 1800}`: keep the `id` and the `url`.
2. `command_exec` `{"sandbox_id": "<id>", "command": "npm", "args": ["install"], "cwd": "/app", "wait": true}`: is its
   `exit_code` 0?
3. `command_exec` `{"sandbox_id": "<id>", "command": "npm", "args": ["run", "dev", "--", "--host", "0.0.0.0"],
   "cwd": "/app"}`: keep the command's `id`.
4. `command_logs` `{"sandbox_id": "<id>", "command_id": "<command>"}`, again and again, until it says that it listens.
5. Open the `url`. An `exit_code` in `command_get` means that the command has ended: its logs say why.

## Change a file

1. `file_read` `{"sandbox_id": "<id>", "path": "/app/src/main.js"}`.
2. Change the text.
3. `file_write` with the same `path` and the whole new `content`. Missing directories are made.
4. `file_read` again when in doubt.
)";

mcp::Resource markdown(const char* page, const char* description, const char* text) {
  return {std::string("opensbx://docs/") + page, std::string("opensbx-") + page, description, "text/markdown", text};
}

std::string workflow(const std::map<std::string, std::string>& arguments) {
  const auto value = [&](const char* name, const char* otherwise) {
    const auto found = arguments.find(name);
    return found == arguments.end() || found->second.empty() ? std::string(otherwise) : found->second;
  };
  return "Goal: " + value("goal", "") + "\nSandbox: " + value("sandbox_id", "<create_one_first>") + R"(

Work like this:
1. Without a sandbox, make one with sandbox_create (image_list shows the images, image_pull gets others).
2. Find the project with file_list, and use its directory as cwd.
3. Read what is there with file_read before changing anything; write whole files with file_write.
4. Run programs with command_exec: with wait for what ends soon, without it for servers and long builds.
5. Follow long ones with command_get and command_logs; end them with command_kill.
6. Check the result, and say what was done and where it can be seen (the sandbox's url).

Remember: a command is a program with args, not a line for a shell; a command's env is an object; a sandbox runs no
application by itself; a service must listen on 0.0.0.0.)";
}

}  // namespace

Result<void> add_library(mcp::Library& library) {
  SBX_CHECK(library.add(
      markdown("how-it-works", "What the tools are, their usual order, and common mistakes.", kHowItWorks)));
  SBX_CHECK(library.add(markdown("quickstart", "Run a project in the background; change a file.", kQuickstart)));
  mcp::Prompt prompt;
  prompt.name = "sandbox_workflow";
  prompt.description = "How to reach a goal in a sandbox, step by step.";
  prompt.arguments = {{"goal", "What is to be done.", true}, {"sandbox_id", "The sandbox to do it in.", false}};
  prompt.text = workflow;
  return library.add(std::move(prompt));
}

}  // namespace sandboxd::orch::opensbx
