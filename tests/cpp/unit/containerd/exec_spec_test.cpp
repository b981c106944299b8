#include "containerd/exec_spec.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::containerd {
namespace {

constexpr std::string_view kSpec = R"({"ociVersion":"1.0.2","process":{"terminal":false,"user":{"uid":0,"gid":0},
  "args":["sleep","1"],"env":["PATH=/bin","A=old","HOME=/root"],"cwd":"/srv","noNewPrivileges":true,
  "capabilities":{"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],"permitted":["CAP_CHOWN"]}},"root":{}})";

boost::json::object process_of(const ports::RuntimeExecRequest& request,
                               const std::optional<ResolvedUser>& user = std::nullopt) {
  const auto text = make_exec_process(kSpec, request, user);
  EXPECT_TRUE(text) << text.error().message();
  return text ? boost::json::parse(*text).as_object() : boost::json::object();
}

TEST(ExecSpec, WhatIsNotAskedIsTheContainers) {
  ports::RuntimeExecRequest request;
  request.argv = {"echo", "a b"};
  request.env = {{"A", "new"}, {"B", "c"}};
  const auto process = process_of(request);
  EXPECT_EQ(process.at("args"), (boost::json::array{"echo", "a b"}));
  EXPECT_EQ(process.at("env"), (boost::json::array{"PATH=/bin", "A=new", "HOME=/root", "B=c"}));
  EXPECT_EQ(process.at("cwd"), "/srv");
  EXPECT_EQ(process.at("noNewPrivileges"), true);
  EXPECT_EQ(process.at("terminal"), false);
}

TEST(ExecSpec, AnotherUserHasItsHomeAndNoCapabilities) {
  ports::RuntimeExecRequest request;
  request.argv = {"id"};
  request.cwd = "below";
  const auto process = process_of(request, ResolvedUser{1000, 100, {7}, "/home/u"});
  EXPECT_EQ(process.at("cwd"), "/srv/below");
  EXPECT_EQ(process.at("user").at("uid"), 1000);
  EXPECT_EQ(process.at("user").at("additionalGids"), boost::json::array{7});
  EXPECT_THAT(boost::json::serialize(process.at("env")), testing::HasSubstr("HOME=/home/u"));
  EXPECT_EQ(process.at("capabilities").at("effective"), boost::json::array());
  EXPECT_EQ(process.at("capabilities").at("permitted"), boost::json::array());
  EXPECT_EQ(process.at("capabilities").at("bounding"), boost::json::array{"CAP_CHOWN"});
}

TEST(ExecSpec, ATerminalHasItsSizeAndName) {
  ports::RuntimeExecRequest request;
  request.argv = {"sh"};
  request.terminal = model::TerminalSize{9, 50};
  const auto process = process_of(request);
  EXPECT_EQ(process.at("terminal"), true);
  EXPECT_EQ(process.at("consoleSize").at("height"), 9);
  EXPECT_THAT(boost::json::serialize(process.at("env")), testing::HasSubstr("TERM=xterm-256color"));
}

TEST(ExecSpec, AnUnreadableSpecIsAnError) {
  EXPECT_FALSE(make_exec_process("{", {}, std::nullopt));
  EXPECT_FALSE(make_exec_process("{}", {}, std::nullopt));
}

TEST(ExecError, TellsTheProgramsFaultFromTheRuntimes) {
  const auto code_of = [](ErrorCode code, const char* text) { return exec_error(Error(code, text)).code(); };
  EXPECT_EQ(code_of(ErrorCode::runtime_failed,
                    "OCI runtime exec failed: exec failed: unable to start container process: exec: \"x\": executable "
                    "file not found in $PATH: unknown"),
            ErrorCode::not_found);
  EXPECT_EQ(code_of(ErrorCode::runtime_failed, "exec: \"/etc/passwd\": permission denied: unknown"),
            ErrorCode::permission_denied);
  EXPECT_EQ(code_of(ErrorCode::not_found, "container abc: not found"), ErrorCode::conflict);
  EXPECT_EQ(code_of(ErrorCode::unavailable, "containerd does not answer"), ErrorCode::unavailable);
  EXPECT_EQ(code_of(ErrorCode::runtime_failed, "something else"), ErrorCode::runtime_failed);
}

}  // namespace
}  // namespace sandboxd::containerd
