// A private containerd for a whole test executable, and one adapter per test.
#pragma once

#include "aio/system_clock.hpp"
#include "containerd/containerd_runtime.hpp"
#include "support/private_containerd.hpp"
#include "support/run_task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace sandboxd::test {

class ContainerdFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon_ = std::make_unique<PrivateContainerd>();
    network_ = std::make_unique<NetworkNamespace>(daemon_->name() + "-n");
    image_name_ = daemon_->import_busybox();
  }
  static void TearDownTestSuite() {
    network_.reset();
    daemon_.reset();
  }

  void SetUp() override { start_adapter(); }
  void TearDown() override {
    for (const std::string& key : made_) EXPECT_TRUE(run(runtime_->remove(key))) << key;
    stop_adapter();
  }

  void start_adapter() {
    auto made = containerd::ContainerdRuntime::make(io_.get_executor(), clock_, daemon_->options("t"));
    ASSERT_TRUE(made) << made.error().message();
    runtime_ = std::move(*made);
  }
  void stop_adapter() {
    run_task(io_, runtime_->close());
    runtime_.reset();
  }

  template <class T>
  T run(Task<T> task) {
    return run_task(io_, std::move(task));
  }

  ports::ContainerRequest request(const std::string& handler, const std::string& name, std::vector<std::string> args) {
    ports::ContainerRequest out;
    out.key = daemon_->name() + "-" + handler + "-" + name;
    out.sandbox = SandboxId("s-" + name);
    out.uid = "u-" + name;
    out.handler = handler;
    out.container.name = name;
    out.container.command_kind = model::CommandKind::given;
    out.container.args = std::move(args);
    out.network_namespace = network_->path();
    out.hostname = "box";
    const auto image = run(runtime_->ensure_image(image_name_));
    EXPECT_TRUE(image) << image.error().message();
    if (image) out.image = *image;
    return out;
  }

  void create(const ports::ContainerRequest& container) {
    made_.insert(container.key);
    const auto made = run(runtime_->create(container));
    ASSERT_TRUE(made) << made.error().message();
  }
  std::uint32_t start(const std::string& key) {
    const auto pid = run(runtime_->start(key));
    EXPECT_TRUE(pid) << pid.error().message();
    return pid ? *pid : 0;
  }
  int wait_exit(const std::string& key) {
    while (true) {
      const auto event = run(runtime_->next_event());
      if (!event) {
        ADD_FAILURE() << event.error().message();
        return -1;
      }
      const auto* exit = std::get_if<ports::ContainerExited>(&*event);
      if (exit != nullptr && exit->key == key) return exit->exit_code;
    }
  }

  // Runs the container to its end; what it wrote to both streams.
  std::string output_of(ports::ContainerRequest container) {
    (void)run(runtime_->list());
    container.stdout_fifo = daemon_->directory() + "/" + container.container.name + ".out";
    container.stderr_fifo = daemon_->directory() + "/" + container.container.name + ".err";
    std::string text;
    std::vector<int> ends;
    for (const std::string& fifo : {container.stdout_fifo, container.stderr_fifo}) {
      unlink(fifo.c_str());
      EXPECT_EQ(mkfifo(fifo.c_str(), 0600), 0);
      ends.push_back(open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    }
    create(container);
    if (HasFatalFailure()) return text;
    start(container.key);
    (void)wait_exit(container.key);
    // The task's deletion waits until the shim has passed everything on.
    EXPECT_TRUE(run(runtime_->remove(container.key)));
    for (const int end : ends) {
      char buffer[65536];
      ssize_t got = 0;
      while ((got = read(end, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(got));
      close(end);
    }
    return text;
  }

  static std::unique_ptr<PrivateContainerd> daemon_;
  static std::unique_ptr<NetworkNamespace> network_;
  static std::string image_name_;
  boost::asio::io_context io_;
  aio::SystemClock clock_;
  std::unique_ptr<containerd::ContainerdRuntime> runtime_;
  std::set<std::string> made_;
};

}  // namespace sandboxd::test
