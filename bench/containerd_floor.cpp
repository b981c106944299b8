// What a container costs when nobody but containerd is in the way: Snapshots.Prepare, Containers.Create, Tasks.Create,
// Tasks.Start, with the image, limits, runtime options and mounts of a container that exists (the template).
//
//   containerd_floor SOCKET TEMPLATE_KEY TEMPLATE_NETNS
//
// Each line "KEY NETNS" on standard input makes one such container in that ready network namespace, prints
// "KEY MICROSECONDS" (request of the first call to the reply of the last), and removes it again, untimed. A line
// "KEY NETNS KEY NETNS ..." makes all of them at once, and the time is that of the last; it bears the first's key.
#include "aio/io_runtime.hpp"
#include "aio/task_group.hpp"
#include "containerd/grpc_channel.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <containerd/wire.pb.h>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace sandboxd;
namespace wire = containerd::wire;
namespace method = containerd::method;

constexpr Duration kLimit = std::chrono::minutes(2);

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class Floor {
 public:
  explicit Floor(const std::string& socket) : channel_(socket, "k8s.io") {}

  Task<Result<void>> read_template(std::string key, std::string network_namespace) {
    wire::GetContainerRequest get;
    get.set_id(key);
    SBX_CO_TRY(found, co_await containerd::call<wire::GetContainerReply>(channel_, method::kContainersGet,
                                                                         get.SerializeAsString(), kLimit));
    template_ = found.container();
    wire::StatSnapshotRequest stat;
    stat.set_snapshotter(template_.snapshotter());
    stat.set_key(template_.snapshot_key());
    SBX_CO_TRY(info, co_await containerd::call<wire::StatSnapshotReply>(channel_, method::kSnapshotsStat,
                                                                        stat.SerializeAsString(), kLimit));
    parent_ = info.info().parent();
    network_namespace_ = std::move(network_namespace);
    co_return Result<void>();
  }

  Task<Result<void>> make(std::string key, std::string network_namespace) {
    // The record first, as production: without it containerd's garbage collector may take the snapshot at once.
    wire::CreateContainerRequest create;
    *create.mutable_container() = template_;
    create.mutable_container()->set_id(key);
    create.mutable_container()->set_snapshot_key(key);
    create.mutable_container()->clear_labels();
    std::string spec = replaced(template_.spec().value(), template_.id(), key);
    create.mutable_container()->mutable_spec()->set_value(
        replaced(std::move(spec), network_namespace_, network_namespace));
    SBX_CO_CHECK(co_await channel_.unary(method::kContainersCreate, create.SerializeAsString(), kLimit));
    wire::PrepareSnapshotRequest prepare;
    prepare.set_snapshotter(template_.snapshotter());
    prepare.set_key(key);
    prepare.set_parent(parent_);
    SBX_CO_TRY(prepared, co_await containerd::call<wire::PrepareSnapshotReply>(channel_, method::kSnapshotsPrepare,
                                                                               prepare.SerializeAsString(), kLimit));
    wire::CreateTaskRequest task;
    task.set_container_id(key);
    *task.mutable_rootfs() = prepared.mounts();
    SBX_CO_CHECK(co_await channel_.unary(method::kTasksCreate, task.SerializeAsString(), kLimit));
    wire::StartRequest start;
    start.set_container_id(key);
    SBX_CO_CHECK(co_await channel_.unary(method::kTasksStart, start.SerializeAsString(), kLimit));
    co_return Result<void>();
  }

  // Best effort: what is left of a container that failed half way is removed too.
  Task<void> remove(std::string key) {
    wire::KillRequest kill;
    kill.set_container_id(key);
    kill.set_signal(9);
    kill.set_all(true);
    auto killed = co_await channel_.unary(method::kTasksKill, kill.SerializeAsString(), kLimit);
    if (killed) {
      wire::WaitRequest wait;
      wait.set_container_id(key);
      auto ended = co_await channel_.unary(method::kTasksWait, wait.SerializeAsString(), kLimit);
      static_cast<void>(ended);
    }
    wire::DeleteTaskRequest task;
    task.set_container_id(key);
    auto task_gone = co_await channel_.unary(method::kTasksDelete, task.SerializeAsString(), kLimit);
    wire::DeleteContainerRequest record;
    record.set_id(key);
    auto record_gone = co_await channel_.unary(method::kContainersDelete, record.SerializeAsString(), kLimit);
    wire::RemoveSnapshotRequest snapshot;
    snapshot.set_snapshotter(template_.snapshotter());
    snapshot.set_key(key);
    auto snapshot_gone = co_await channel_.unary(method::kSnapshotsRemove, snapshot.SerializeAsString(), kLimit);
    // Without its record, containerd's garbage collector may have taken the snapshot already.
    const bool no_snapshot = snapshot_gone || snapshot_gone.error().code() == ErrorCode::not_found;
    if (!task_gone || !record_gone || !no_snapshot) std::cerr << "containerd_floor: " << key << " left traces\n";
  }

 private:
  containerd::GrpcChannel channel_;
  wire::Container template_;
  std::string parent_;  // the image's topmost layer
  std::string network_namespace_;
};

struct Place {
  std::string key;
  std::string network_namespace;
};

Task<void> make_one(Floor& floor, Place place, std::string& failure) {
  auto made = co_await floor.make(std::move(place.key), std::move(place.network_namespace));
  if (!made) failure = made.error().message();
}

Task<std::string> make_all(Floor& floor, const std::vector<Place>& places) {
  std::string failure;
  aio::TaskGroup group(co_await boost::asio::this_coro::executor);
  for (const Place& place : places) group.spawn("make", make_one(floor, place, failure));
  co_await group.join();
  co_return failure;
}

Task<void> remove_all(Floor& floor, const std::vector<Place>& places) {
  aio::TaskGroup group(co_await boost::asio::this_coro::executor);
  for (const Place& place : places) group.spawn("remove", floor.remove(place.key));
  co_await group.join();
}

Task<void> serve(Floor& floor, std::string key, std::string network_namespace) {
  auto ready = co_await floor.read_template(std::move(key), std::move(network_namespace));
  if (!ready) {
    std::cerr << "containerd_floor: " << ready.error().message() << '\n';
    co_return;
  }
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::vector<Place> places;
    for (Place place; words >> place.key >> place.network_namespace;) places.push_back(place);
    if (places.empty()) continue;
    const auto begin = std::chrono::steady_clock::now();
    const std::string failure = co_await make_all(floor, places);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
    const std::string& name = places.front().key;
    if (failure.empty()) {
      std::cout << name << ' ' << took.count() << std::endl;
    } else {
      std::cout << name << " error " << failure << std::endl;
    }
    co_await remove_all(floor, places);
    std::cout << name << " removed" << std::endl;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: containerd_floor SOCKET TEMPLATE_KEY TEMPLATE_NETNS\n";
    return 2;
  }
  aio::IoRuntime runtime("floor");
  runtime.start();
  Floor floor(arguments[1]);
  runtime.run(serve(floor, arguments[2], arguments[3]));
  runtime.stop();
  return 0;
}
