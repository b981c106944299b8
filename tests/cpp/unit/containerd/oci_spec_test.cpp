#include "containerd/oci_spec.hpp"

#include "containerd/capabilities.hpp"
#include "containerd/seccomp.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::containerd {
namespace {

namespace json = boost::json;
using ports::ContainerRole;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

SpecInputs inputs() {
  SpecInputs in;
  in.request.key = "sb1-main";
  in.request.sandbox = SandboxId("sb1");
  in.request.handler = "runc";
  in.request.container.name = "main";
  in.request.image.entrypoint = {"/entry"};
  in.request.image.command = {"serve"};
  in.request.image.env = {"FROM=image", "PATH=/opt/bin"};
  in.request.image.work_dir = "/srv";
  in.request.network_namespace = "/run/netns/x";
  in.request.hostname = "box";
  in.cgroup_parent = "/sandboxd-0";
  in.nofile_hard_max = 20000;
  return in;
}

json::object spec_of(const SpecInputs& in) {
  const auto spec = make_oci_spec(in);
  EXPECT_TRUE(spec) << spec.error().message();
  return spec ? *spec : json::object();
}

std::string text(const json::value& value) { return json::serialize(value); }

const json::value& at(const json::object& object, std::string_view pointer) {
  static const json::value none;
  boost::system::error_code ec;
  static thread_local std::vector<std::unique_ptr<json::value>> kept;
  kept.push_back(std::make_unique<json::value>(object));
  const json::value* found = kept.back()->find_pointer(pointer, ec);
  return found == nullptr ? none : *found;
}

// The mount's options as text; empty when there is no mount there.
std::string mount_at(const json::object& spec, std::string_view path) {
  for (const json::value& mount : spec.at("mounts").as_array()) {
    if (mount.at("destination").as_string() == path) return text(mount);
  }
  return {};
}

TEST(OciSpec, TheProcessOfAnImage) {
  const auto spec = spec_of(inputs());
  EXPECT_EQ(text(at(spec, "/process")),
            R"({"terminal":false,"user":{"uid":0,"gid":0},"args":["/entry","serve"],)"
            R"("env":["PATH=/opt/bin","HOSTNAME=box","HOME=/root","FROM=image"],"cwd":"/srv",)"
            R"("capabilities":{"bounding":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL",)"
            R"("CAP_SETGID","CAP_SETUID","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_NET_RAW","CAP_SYS_CHROOT",)"
            R"("CAP_MKNOD","CAP_AUDIT_WRITE","CAP_SETFCAP"],)"
            R"("effective":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL",)"
            R"("CAP_SETGID","CAP_SETUID","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_NET_RAW","CAP_SYS_CHROOT",)"
            R"("CAP_MKNOD","CAP_AUDIT_WRITE","CAP_SETFCAP"],)"
            R"("permitted":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL",)"
            R"("CAP_SETGID","CAP_SETUID","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_NET_RAW","CAP_SYS_CHROOT",)"
            R"("CAP_MKNOD","CAP_AUDIT_WRITE","CAP_SETFCAP"]},"noNewPrivileges":true,)"
            R"("rlimits":[{"type":"RLIMIT_NOFILE","hard":20000,"soft":20000}]})");
}

TEST(OciSpec, ArgumentsReplaceEntrypointAndCommand) {
  auto in = inputs();
  in.request.container.command_kind = model::CommandKind::given;
  in.request.container.args = {"sh", "-c", "true"};
  EXPECT_EQ(text(at(spec_of(in), "/process/args")), R"(["sh","-c","true"])");
}

TEST(OciSpec, AContainerWithoutAnyCommandIsRefused) {
  auto in = inputs();
  in.request.image.entrypoint.clear();
  in.request.image.command.clear();
  const auto spec = make_oci_spec(in);
  ASSERT_FALSE(spec);
  EXPECT_THAT(spec.error().message(), HasSubstr("no command"));
}

TEST(OciSpec, TheRequestsEnvironmentWinsAndEntriesWithoutAnEqualsSignAreDropped) {
  auto in = inputs();
  in.request.container.env = {"FROM=request", "A=b=c", "NOTHING", "=empty"};
  EXPECT_EQ(text(at(spec_of(in), "/process/env")),
            R"(["PATH=/opt/bin","HOSTNAME=box","HOME=/root","FROM=request","A=b=c"])");
}

TEST(OciSpec, LimitsBecomeQuotaMemoryAndPids) {
  auto in = inputs();
  in.request.container.resources.limit_cpu_milli.value = 250;
  in.request.container.resources.limit_memory_bytes.value = 64 << 20;
  const auto spec = spec_of(in);
  EXPECT_EQ(text(at(spec, "/linux/resources/cpu")), R"({"quota":25000,"period":100000,"shares":256})");
  EXPECT_EQ(text(at(spec, "/linux/resources/memory")), R"({"limit":67108864})");
  EXPECT_EQ(text(at(spec, "/linux/resources/pids")), R"({"limit":128})");
  EXPECT_EQ(text(at(spec, "/linux/cgroupsPath")), R"("/sandboxd-0/sb1-main")");
}

TEST(OciSpec, TheSmallestQuotaIsOneMillisecond) {
  auto in = inputs();
  in.request.container.resources.limit_cpu_milli.value = 1;
  EXPECT_EQ(text(at(spec_of(in), "/linux/resources/cpu/quota")), "1000");
}

TEST(OciSpec, GvisorsSentryHasThreadsOfItsOwnToSpend) {
  auto in = inputs();
  in.is_runsc = true;
  in.request.container.resources.pids_max = 100;
  EXPECT_EQ(text(at(spec_of(in), "/linux/resources/pids/limit")), "612");
}

TEST(OciSpec, UnderGvisorThePodsRootCarriesTheLimitsAndAnnotationsSayWhoIsWho) {
  auto in = inputs();
  in.is_runsc = true;
  in.request.role = ContainerRole::pod_root;
  in.request.container.resources.limit_memory_bytes.value = 1 << 30;
  in.root_path = "/run/pods/x/rootfs";
  const auto root = spec_of(in);
  EXPECT_EQ(text(at(root, "/annotations")),
            R"({"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":"sb1-main"})");
  EXPECT_EQ(text(at(root, "/linux/resources/memory/limit")), "1073741824");
  EXPECT_EQ(text(at(root, "/process/args")), R"(["/pause"])");
  EXPECT_EQ(text(at(root, "/root")), R"({"path":"/run/pods/x/rootfs","readonly":true})");

  in.request.role = ContainerRole::pod_member;
  in.request.pod_key = "sb1-pod";
  const auto member = spec_of(in);
  EXPECT_EQ(text(at(member, "/annotations")),
            R"({"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"sb1-pod",)"
            R"("io.kubernetes.cri.container-name":"main"})");
  EXPECT_TRUE(at(member, "/linux/resources/memory").is_null());
  EXPECT_TRUE(at(member, "/linux/seccomp").is_null());
}

TEST(OciSpec, UnderRuncAMemberJoinsTheRootsNamespacesAndCarriesItsOwnLimits) {
  auto in = inputs();
  in.request.role = ContainerRole::pod_member;
  in.request.pod_key = "sb1-pod";
  in.pod_root_pid = 77;
  in.request.container.resources.limit_memory_bytes.value = 1 << 20;
  const auto spec = spec_of(in);
  EXPECT_EQ(text(at(spec, "/linux/namespaces")),
            R"([{"type":"pid"},{"type":"mount"},{"type":"ipc","path":"/proc/77/ns/ipc"},)"
            R"({"type":"uts","path":"/proc/77/ns/uts"},{"type":"network","path":"/run/netns/x"}])");
  EXPECT_FALSE(spec.contains("hostname"));
  EXPECT_FALSE(spec.contains("annotations"));
  EXPECT_EQ(text(at(spec, "/linux/resources/memory/limit")), "1048576");
}

TEST(OciSpec, OnCgroupV2TheContainerSeesItsOwnTree) {
  auto in = inputs();
  in.cgroup_v2 = true;
  EXPECT_THAT(text(at(spec_of(in), "/linux/namespaces")), HasSubstr(R"({"type":"cgroup"})"));
}

TEST(OciSpec, KernelPathsAreMaskedOrReadOnly) {
  const auto spec = spec_of(inputs());
  for (const char* path : {"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"}) {
    EXPECT_THAT(text(at(spec, "/linux/maskedPaths")), HasSubstr(path));
  }
  for (const char* path : {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}) {
    EXPECT_THAT(text(at(spec, "/linux/readonlyPaths")), HasSubstr(path));
  }
  EXPECT_THAT(mount_at(spec, "/sys"), HasSubstr("\"ro\""));
  EXPECT_THAT(mount_at(spec, "/sys/fs/cgroup"), HasSubstr("\"ro\""));
  EXPECT_FALSE(spec.at("process").as_object().contains("oomScoreAdj"));
}

TEST(OciSpec, MountsStandParentsFirst) {
  auto in = inputs();
  in.request.mounts = {{"/host/deep", "/data/deep/er", false}, {"/host/data", "/data", true}};
  in.request.container.tmpfs = {{"/data/deep", "size=1ki"}};
  const auto spec = spec_of(in);
  std::vector<std::string> order;
  for (const json::value& mount : spec.at("mounts").as_array()) {
    const std::string path(mount.at("destination").as_string());
    if (path.starts_with("/data")) order.push_back(path);
  }
  EXPECT_THAT(order, ElementsAre("/data", "/data/deep", "/data/deep/er"));
  EXPECT_THAT(mount_at(spec, "/data"), HasSubstr(R"("options":["rbind","rprivate","ro"])"));
  EXPECT_THAT(mount_at(spec, "/data/deep"), HasSubstr(R"(["nosuid","nodev","mode=1777","size=1024"])"));
}

TEST(OciSpec, ARunscContainersWritesAreBoundedOnDisk) {
  auto in = inputs();
  in.request.root_bytes = 4096;
  EXPECT_TRUE(at(spec_of(in), "/annotations/dev.gvisor.flag.overlay2").is_null());
  in.is_runsc = true;
  EXPECT_EQ(text(at(spec_of(in), "/annotations/dev.gvisor.flag.overlay2")), R"("root:self,size=4096")");
  in.request.root_bytes = 3 * 4096 + 4095;
  EXPECT_EQ(text(at(spec_of(in), "/annotations/dev.gvisor.flag.overlay2")), R"("root:self,size=12288")");
}

TEST(OciSpec, SecurityOptionsSwitchProtectionOff) {
  auto in = inputs();
  in.request.container.security_opt = {"no-new-privileges=false", "seccomp:unconfined", "apparmor=unconfined"};
  const auto spec = spec_of(in);
  EXPECT_EQ(text(at(spec, "/process/noNewPrivileges")), "false");
  EXPECT_TRUE(at(spec, "/linux/seccomp").is_null());
}

TEST(SecurityOptions, UnknownOnesAreNamed) {
  EXPECT_THAT(parse_security_options({"label=x"}).error().message(), HasSubstr("unsupported securityOpt \"label=x\""));
  EXPECT_THAT(parse_security_options({"seccomp=mine"}).error().message(),
              HasSubstr("unsupported profile value \"mine\""));
  EXPECT_THAT(parse_security_options({"no-new-privileges=maybe"}).error().message(), HasSubstr("invalid boolean"));
}

TEST(TmpfsOptions, AreRead) {
  EXPECT_THAT(*tmpfs_options(""), ElementsAre("nosuid", "nodev", "mode=1777"));
  EXPECT_THAT(*tmpfs_options("ro,noexec,suid,MODE=0755,size:64m"),
              ElementsAre("nodev", "noexec", "ro", "mode=0755", "size=64000000"));
  EXPECT_THAT(*tmpfs_options("size=64Mi"), Contains("size=67108864"));
  for (const char* wrong : {"size=", "size=-1", "mode=9", "huge=always", "mode"}) {
    EXPECT_FALSE(tmpfs_options(wrong)) << wrong;
  }
}

TEST(Capabilities, DropComesBeforeAdd) {
  EXPECT_THAT(effective_capabilities({"chown"}, {"ALL"}), ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(effective_capabilities({}, {"CAP_MKNOD", "net_raw"}),
              testing::AllOf(Not(Contains("CAP_MKNOD")), Not(Contains("CAP_NET_RAW")), Contains("CAP_KILL")));
  EXPECT_EQ(effective_capabilities({"all"}, {}).size(), 41U);
  EXPECT_EQ(effective_capabilities({"FLY"}, {}), effective_capabilities({}, {})) << "unknown ones are ignored";
}

TEST(Seccomp, DangerousCallsNeedTheirCapability) {
  const auto allowed = [](const json::object& profile) { return text(profile.at("syscalls").as_array()[0]); };
  const auto plain = default_seccomp({"CAP_CHOWN"});
  EXPECT_EQ(plain.at("defaultAction").as_string(), "SCMP_ACT_ERRNO");
  for (const char* call :
       {"\"mount\"", "\"bpf\"", "\"keyctl\"", "\"io_uring_setup\"", "\"userfaultfd\"", "\"kexec_load\"",
        "\"init_module\"", "\"setns\"", "\"unshare\"", "\"reboot\"", "\"clone\"", "\"socket\""}) {
    EXPECT_THAT(allowed(plain), Not(HasSubstr(call)));
  }
  EXPECT_THAT(allowed(plain), HasSubstr("\"openat\""));
  EXPECT_THAT(allowed(default_seccomp({"CAP_SYS_ADMIN"})), HasSubstr("\"mount\""));
}

}  // namespace
}  // namespace sandboxd::containerd
