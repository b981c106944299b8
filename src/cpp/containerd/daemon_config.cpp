#include "containerd/daemon_config.hpp"

#include "containerd/handler.hpp"

#include <filesystem>
#include <sys/mount.h>

namespace sandboxd::containerd {

std::string make_daemon_config(const DaemonOptions& options) {
  // Plugins that need hardware, disks or services which a sandbox machine does not have; each would only log. Names of
  // a plugin that a version does not have are ignored.
  std::string text =
      "# A private containerd of sandboxd, written at every start of it.\n"
      "version = 2\n"
      "root = " +
      toml_quote(options.root_dir) +
      "\n"
      "state = " +
      toml_quote(options.state_dir) +
      "\n"
      "oom_score = 0\n"
      "disabled_plugins = [\n"
      "  \"io.containerd.snapshotter.v1.aufs\", \"io.containerd.snapshotter.v1.btrfs\",\n"
      "  \"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.zfs\",\n"
      "  \"io.containerd.snapshotter.v1.blockfile\", \"io.containerd.snapshotter.v1.erofs\",\n"
      "  \"io.containerd.internal.v1.tracing\", \"io.containerd.tracing.processor.v1.otlp\",\n"
      "  \"io.containerd.nri.v1.nri\"]\n\n"
      "[grpc]\n"
      "  address = " +
      toml_quote(options.socket_path) +
      "\n\n"
      "[ttrpc]\n"
      "  address = " +
      toml_quote(options.socket_path + ".ttrpc") +
      "\n\n"
      "[debug]\n"
      "  level = " +
      toml_quote(options.log_level) +
      "\n\n"
      // The exporter path of 1.6 and an option that containerd 2.x made its own plugin: /opt is not ours to write.
      "[plugins.\"io.containerd.internal.v1.opt\"]\n"
      "  path = " +
      toml_quote(options.root_dir + "/opt") +
      "\n\n"
      "[plugins.\"io.containerd.grpc.v1.cri\"]\n"
      "  disable_tcp_service = true\n"
      "  restrict_oom_score_adj = true\n\n"
      "[plugins.\"io.containerd.grpc.v1.cri\".cni]\n"
      "  bin_dir = " +
      toml_quote(options.root_dir + "/no-cni") +
      "\n"
      "  conf_dir = " +
      toml_quote(options.root_dir + "/no-cni") +
      "\n\n"
      "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
      "  snapshotter = " +
      toml_quote(options.snapshotter) + "\n";
  if (!options.registry_config_dir.empty()) {
    text += "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = " +
            toml_quote(options.registry_config_dir) + "\n";
  }
  return text;
}

Result<std::string> choose_snapshotter(const std::string& root_dir) {
  namespace fs = std::filesystem;
  const fs::path probe = fs::path(root_dir) / "overlay-probe";
  std::error_code ec;
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    fs::create_directories(probe / name, ec);
    if (ec) return errno_error(ec.value(), "create " + (probe / name).string());
  }
  const std::string merged = probe / "merged";
  const std::string options = "lowerdir=" + (probe / "lower").string() + ",upperdir=" + (probe / "upper").string() +
                              ",workdir=" + (probe / "work").string();
  const bool usable = mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0;
  if (usable) umount2(merged.c_str(), MNT_DETACH);
  fs::remove_all(probe, ec);
  return std::string(usable ? "overlayfs" : "native");
}

}  // namespace sandboxd::containerd
