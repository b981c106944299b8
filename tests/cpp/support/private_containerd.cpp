#include "support/private_containerd.hpp"

#include "containerd/daemon_config.hpp"
#include "containerd/leftovers.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace sandboxd::test {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRoot = "/var/tmp";  // on the disk: /tmp may be memory, and so be what containers write
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pid_t spawn(const std::vector<std::string>& argv, int output, bool own_session) {
  std::vector<char*> raw;
  for (const std::string& argument : argv) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  char path[sizeof "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
  std::snprintf(path, sizeof path, "%s", kPath);
  char* env[] = {path, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (own_session) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes, raw.data(), env);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) throw std::runtime_error("cannot run " + argv[0] + ": install it");
  return pid;
}

bool answers(const std::string& socket_path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path.c_str());
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

// Everything of a private containerd that lives in `directory`, whose name is also that of its control group.
void destroy(const std::string& directory) {
  containerd::kill_processes_of(directory);
  for (const auto& entry : fs::directory_iterator("/proc")) {
    // Shims work in their bundle, below the directory.
    std::error_code ec;
    const std::string cwd = fs::read_symlink(entry.path() / "cwd", ec).string();
    if (cwd.starts_with(directory + "/")) kill(std::atoi(entry.path().filename().c_str()), SIGKILL);
  }
  (void)containerd::remove_tree(directory);
  const std::string name = fs::path(directory).filename();
  const std::string network = "/run/netns/" + name + "-n";
  if (umount2(network.c_str(), MNT_DETACH) == 0 || errno == EINVAL) unlink(network.c_str());
  const std::string group = "/" + name;
  std::vector<fs::path> controllers = {"/sys/fs/cgroup"};
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", ec)) controllers.push_back(entry.path());
  for (const fs::path& controller : controllers) {
    const std::string parent = controller.string() + group;
    if (!fs::is_directory(parent, ec)) continue;
    for (int attempt = 0; attempt < 50 && fs::is_directory(parent, ec); ++attempt) {
      for (const auto& child : fs::directory_iterator(parent, ec)) {
        if (!child.is_directory(ec)) continue;
        std::ifstream members(child.path() / "cgroup.procs");
        for (pid_t pid = 0; members >> pid;) kill(pid, SIGKILL);
        rmdir(child.path().c_str());
      }
      if (rmdir(parent.c_str()) != 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

// Only directories named as the constructor does: other tests use the prefix in other forms.
void destroy_stale() {
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename();
    int owner = 0, number = 0, end = 0;
    if (std::sscanf(name.c_str(), "sbxt-%d-%d%n", &owner, &number, &end) != 2) continue;
    if (static_cast<std::size_t>(end) == name.size() && kill(owner, 0) != 0) destroy(entry.path());
  }
}

constexpr const char* kBuildImage = R"sh(set -euo pipefail
cd "$1"
mkdir -p layer/bin layer/etc layer/tmp layer/work layer/root layer/proc layer/dev layer/sys
cp "$(command -v busybox)" layer/bin/busybox
for applet in sh true false sleep echo cat id hostname head dd ls nc kill mkdir touch env pwd tail wc grep ip ps mount; do
  ln -sf busybox layer/bin/$applet
done
printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n' > layer/etc/passwd
printf 'root:x:0:\nstaff:x:50:app\napp:x:1000:\n' > layer/etc/group
chmod 1777 layer/tmp
tar --numeric-owner --owner=0 --group=0 -C layer -cf layer.tar .
layer=$(sha256sum layer.tar | cut -d' ' -f1)
architecture=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
printf '{"architecture":"%s","os":"linux","config":{"Cmd":["sh","-c","echo from the image"],
  "Env":["IMAGE_SAYS=hello"],"WorkingDir":"/work"},
  "rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[]}' "$architecture" "$layer" > config.json
printf '[{"Config":"config.json","RepoTags":["docker.io/library/sbxt-busybox:1"],
  "Layers":["layer.tar"]}]' > manifest.json
tar -cf busybox.tar manifest.json config.json layer.tar
)sh";

}  // namespace

std::string run_command(const std::vector<std::string>& argv) {
  char name[] = "/tmp/sbxt-output-XXXXXX";
  const int output = mkostemp(name, O_CLOEXEC);
  const pid_t pid = spawn(argv, output, false);
  int status = 0;
  waitpid(pid, &status, 0);
  close(output);
  std::ifstream file(name, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  unlink(name);
  if (status != 0) throw std::runtime_error(argv[0] + " failed: " + text);
  return text;
}

std::string run_shell(const std::string& script) { return run_command({"bash", "-c", script}); }

PrivateContainerd::PrivateContainerd() {
  if (geteuid() != 0) throw std::runtime_error("this test needs root");
  destroy_stale();
  static int count = 0;
  directory_ = std::string(kRoot) + "/sbxt-" + std::to_string(getpid()) + "-" + std::to_string(count++);
  fs::create_directories(directory_ + "/root");
  start_daemon();
}

PrivateContainerd::~PrivateContainerd() {
  kill_daemon();
  destroy(directory_);
}

std::string PrivateContainerd::name() const { return fs::path(directory_).filename(); }

containerd::Options PrivateContainerd::options(const std::string& instance) const {
  containerd::Options options;
  options.socket_path = socket();
  options.state_dir = state_dir();
  options.run_dir = directory_ + "/run-" + instance;
  options.instance = instance;
  options.cgroup_parent = "/" + name();
  options.pause_binary = SANDBOXD_PAUSE_BINARY;
  options.owns_daemon = true;
  return options;
}

void PrivateContainerd::start_daemon() {
  containerd::DaemonOptions daemon;
  daemon.root_dir = directory_ + "/root";
  daemon.state_dir = state_dir();
  daemon.socket_path = socket();
  const auto snapshotter = containerd::choose_snapshotter(daemon.root_dir);
  if (!snapshotter) throw std::runtime_error(snapshotter.error().message());
  if (*snapshotter != "overlayfs") throw std::runtime_error("overlayfs cannot be mounted below " + directory_);
  std::ofstream(directory_ + "/config.toml") << containerd::make_daemon_config(daemon);
  const std::string log_path = directory_ + "/containerd.log";
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  daemon_ = spawn({"containerd", "--config", directory_ + "/config.toml"}, log, true);
  close(log);
  for (int i = 0; i < 500; ++i) {
    if (answers(socket())) return;
    if (waitpid(daemon_, nullptr, WNOHANG) == daemon_) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::ifstream file(log_path);
  throw std::runtime_error("containerd did not start: " +
                           std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
}

void PrivateContainerd::kill_daemon() {
  if (daemon_ <= 0) return;
  kill(daemon_, SIGKILL);
  waitpid(daemon_, nullptr, 0);
  daemon_ = -1;
}

std::string PrivateContainerd::ctr(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"ctr", "--address", socket(), "--namespace", "k8s.io"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command(argv);
}

std::string PrivateContainerd::busybox_archive() {
  const std::string directory = directory_ + "/image";
  if (!fs::exists(directory + "/busybox.tar")) {
    fs::create_directories(directory);
    run_command({"bash", "-c", kBuildImage, "build-image", directory});
  }
  return directory + "/busybox.tar";
}

std::string PrivateContainerd::import_busybox() {
  ctr({"images", "import", busybox_archive()});
  return "docker.io/library/sbxt-busybox:1";
}

std::string PrivateContainerd::import_spare() {
  (void)busybox_archive();
  const std::string number = std::to_string(++spares_);
  run_shell("set -e; cd " + directory_ + "/image; sed 's/IMAGE_SAYS=hello/SPARE=" + number +
            "/' config.json > config-spare.json; mkdir -p spare; sed 's/sbxt-busybox:1/sbxt-spare:" + number +
            "/; s/config.json/config-spare.json/' manifest.json > spare/manifest.json; mv config-spare.json spare/; "
            "tar -cf spare.tar -C spare manifest.json config-spare.json -C .. layer.tar");
  ctr({"images", "import", directory_ + "/image/spare.tar"});
  return "docker.io/library/sbxt-spare:" + number;
}

NetworkNamespace::NetworkNamespace(std::string name) : name_(std::move(name)) {
  run_command({"ip", "netns", "add", name_});
  run_command({"ip", "-n", name_, "link", "set", "lo", "up"});
}

NetworkNamespace::~NetworkNamespace() {
  try {
    run_command({"ip", "netns", "del", name_});
  } catch (const std::exception&) {
  }
}

}  // namespace sandboxd::test
