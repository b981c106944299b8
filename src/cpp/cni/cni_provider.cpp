#include "cni/cni_provider.hpp"

#include "aio/shield.hpp"
#include "cni/result.hpp"

#include <boost/json.hpp>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace sandboxd::cni {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::string_view kSuffix = ".json";

// What the cache says of one container.
struct Attachment {
  NetworkConfig config;
  std::string result;  // empty: the ADD never ended
};

// Small files on a memory file system by default: written in place of the old one, not synced, since the interfaces
// they describe do not survive a reboot either.
Result<void> write_file(const std::string& path, const std::string& text) {
  const std::string draft = path + ".new";
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return errno_error(errno, "create " + draft, ErrorCode::storage_failed);
  std::size_t written = 0;
  int failure = 0;
  while (failure == 0 && written < text.size()) {
    const ssize_t n = ::write(fd, text.data() + written, text.size() - written);
    if (n >= 0) written += static_cast<std::size_t>(n);
    if (n < 0 && errno != EINTR) failure = errno;
  }
  ::close(fd);
  if (failure == 0 && ::rename(draft.c_str(), path.c_str()) != 0) failure = errno;
  if (failure == 0) return {};
  ::unlink(draft.c_str());
  return errno_error(failure, "write " + path, ErrorCode::storage_failed);
}

std::string attachment_text(const NetworkConfig& config, const std::string& result) {
  json::object record;
  record["config"] = to_text(config);
  record["result"] = result;
  return json::serialize(record);
}

// nullopt when there is no record, or one that nobody can read (then the current configuration has to do).
std::optional<Attachment> read_attachment(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  boost::system::error_code failure;
  const json::value parsed = json::parse(text.str(), failure);
  const json::object* record = failure ? nullptr : parsed.if_object();
  const json::value* config = record == nullptr ? nullptr : record->if_contains("config");
  const json::value* result = record == nullptr ? nullptr : record->if_contains("result");
  if (config == nullptr || result == nullptr || !config->is_string() || !result->is_string()) return std::nullopt;
  auto known = parse_config(config->get_string());
  if (!known) return std::nullopt;
  return Attachment{*std::move(known), std::string(result->get_string())};
}

std::vector<std::string> bridges_of(const NetworkConfig& config) {
  std::vector<std::string> names;
  for (const json::object& plugin : config.plugins) {
    const json::value* bridge = plugin.if_contains("bridge");
    if (bridge != nullptr && bridge->is_string()) names.emplace_back(bridge->get_string());
  }
  return names;
}

}  // namespace

CniProvider::CniProvider(CniOptions options, ports::ProcessRunner& runner)
    : options_(std::move(options)), chain_(options_.bin_dir, runner) {}

Result<void> CniProvider::check() const {
  std::vector<std::string> needed;
  for (const json::object& plugin : options_.config.plugins) {
    needed.emplace_back(plugin.at("type").as_string());
    const json::value* ipam = plugin.if_contains("ipam");
    const json::value* type = ipam == nullptr || !ipam->is_object() ? nullptr : ipam->get_object().if_contains("type");
    if (type != nullptr && type->is_string() && !type->get_string().empty()) needed.emplace_back(type->get_string());
  }
  for (const std::string& name : needed) {
    const std::string path = options_.bin_dir + "/" + name;
    if (::access(path.c_str(), X_OK) != 0)
      return Error(ErrorCode::unavailable, "CNI plugin " + path + " is missing: apt-get install " +
                                               "containernetworking-plugins, or set cni_bin_dir");
  }
  return {};
}

std::string CniProvider::cache_file(const std::string& container_id) const {
  return options_.cache_dir + "/" + container_id + std::string(kSuffix);
}

Task<Result<ports::InterfaceInfo>> CniProvider::attach(std::string container_id, std::string namespace_path) {
  co_return co_await aio::shield(add(std::move(container_id), std::move(namespace_path)));
}

Task<Result<ports::InterfaceInfo>> CniProvider::add(std::string container_id, std::string namespace_path) {
  std::error_code failure;
  fs::create_directories(options_.cache_dir, failure);
  if (failure) co_return errno_error(failure.value(), "create " + options_.cache_dir, ErrorCode::storage_failed);
  const std::string file = cache_file(container_id);
  SBX_CO_CHECK(write_file(file, attachment_text(options_.config, "")));

  ChainCall call;
  call.container_id = container_id;
  call.namespace_path = namespace_path;
  auto added = co_await chain_.add(options_.config, call);
  if (!added) {
    ::unlink(file.c_str());
    co_return std::move(added).error();
  }
  auto info = parse_result(*added, bridges_of(options_.config));
  Result<void> kept;
  if (info) kept = write_file(file, attachment_text(options_.config, *added));
  if (info && kept) co_return std::move(info);

  auto undone = co_await detach(std::move(container_id), std::move(namespace_path));
  static_cast<void>(undone);  // the first failure is the one to report
  co_return info ? std::move(kept).error() : std::move(info).error();
}

Task<Result<void>> CniProvider::detach(std::string container_id, std::string namespace_path) {
  const std::string file = cache_file(container_id);
  const bool has_namespace = ::access(namespace_path.c_str(), F_OK) == 0;
  // The record is written before the first plugin runs: without it there is nothing to undo.
  if (!has_namespace && ::access(file.c_str(), F_OK) != 0) co_return Result<void>();
  Attachment known{options_.config, ""};
  if (auto record = read_attachment(file)) known = *std::move(record);
  ChainCall call;
  call.container_id = std::move(container_id);
  // Plugins free the address without a namespace, and fail on a path that is not one.
  if (has_namespace) call.namespace_path = std::move(namespace_path);
  auto work = chain_.del(std::move(known.config), std::move(call), std::move(known.result));
  SBX_CO_CHECK(co_await aio::shield(std::move(work)));
  if (::unlink(file.c_str()) != 0 && errno != ENOENT)
    co_return errno_error(errno, "remove " + file, ErrorCode::storage_failed);
  co_return Result<void>();
}

Task<Result<std::vector<std::string>>> CniProvider::attached() {
  std::vector<std::string> ids;
  std::error_code failure;
  for (fs::directory_iterator entry(options_.cache_dir, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(kSuffix)) ids.push_back(name.substr(0, name.size() - kSuffix.size()));
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    co_return errno_error(failure.value(), "list " + options_.cache_dir, ErrorCode::storage_failed);
  std::sort(ids.begin(), ids.end());
  co_return ids;
}

}  // namespace sandboxd::cni
