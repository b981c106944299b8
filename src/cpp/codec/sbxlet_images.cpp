#include "codec/sbxlet_images.hpp"

#include "base/time.hpp"
#include "codec/sbxlet.hpp"

#include <utility>

namespace sandboxd::codec::sbxlet {

namespace {

constexpr ParseOptions kAnswer{.code = ErrorCode::protocol_error};
constexpr ReadOptions kAnswerFields{.code = ErrorCode::protocol_error};

model::PullProgress read_progress(const Reader& in) {
  model::PullProgress out;
  in.read("image", out.image);
  in.read("layersDone", out.layers_done);
  in.read("layersTotal", out.layers_total);
  in.read("bytesDone", out.bytes_done);
  in.read("bytesTotal", out.bytes_total);
  return out;
}

// A document read as a whole by `read(reader)`.
template <class T, class Read>
Result<T> decode(std::string_view body, Read read) {
  SBX_TRY(document, read_json(body, kAnswer));
  ReadErrors errors(kAnswerFields);
  T out = read(Reader(document, errors));
  SBX_CHECK(errors.status());
  return out;
}

}  // namespace

json::object image_object(const model::Image& image) {
  json::object out;
  out["digest"] = image.digest;
  out["names"] = to_array(image.names);
  out["sizeBytes"] = image.size_bytes;
  out["created"] = image.created;
  out["architecture"] = image.architecture;
  out["os"] = image.os;
  out["lastUsed"] = format_rfc3339(image.last_used);
  out["used"] = image.is_used;
  return out;
}

model::Image read_image(const Reader& in) {
  model::Image out;
  in.require("digest", out.digest);
  in.read("names", out.names);
  in.read("sizeBytes", out.size_bytes);
  in.read("created", out.created);
  in.read("architecture", out.architecture);
  in.read("os", out.os);
  in.read_as("lastUsed", out.last_used, [](std::string_view text) { return parse_rfc3339(text); });
  in.read("used", out.is_used);
  return out;
}

Result<model::Image> decode_image(std::string_view body) {
  return decode<model::Image>(body, [](const Reader& in) { return read_image(in); });
}

Result<std::vector<model::Image>> decode_images(std::string_view body) {
  return decode<std::vector<model::Image>>(body, [](const Reader& in) {
    std::vector<model::Image> out;
    in.each("items", [&out](const Reader& item) { out.push_back(read_image(item)); });
    return out;
  });
}

Result<PullRequest> decode_pull(std::string_view body) {
  SBX_TRY(document, read_json(body));
  ReadErrors errors;
  const Reader in(document, errors);
  PullRequest out;
  in.require("image", out.image);
  in.object("credentials", [&out](const Reader& given) {
    out.credentials.emplace();
    given.require("username", out.credentials->username);
    given.require("password", out.credentials->password);
  });
  SBX_CHECK(errors.status());
  if (out.image.empty()) return Error(ErrorCode::invalid_argument, "image is required");
  return out;
}

std::string encode_pull(const PullRequest& request) {
  json::object out;
  out["image"] = request.image;
  if (request.credentials) {
    json::object& given = out["credentials"].emplace_object();
    given["username"] = request.credentials->username;
    given["password"] = request.credentials->password;
  }
  return write_json(out);
}

PullEventText encode_pull_event(const PullEvent& event) {
  if (const auto* progress = std::get_if<model::PullProgress>(&event))
    return {"progress", write_json(pulls_array({*progress}).front())};
  if (const auto* image = std::get_if<model::Image>(&event)) return {"image", write_json(image_object(*image))};
  const Error& error = std::get<PullFailed>(event).error;
  json::object out;
  out["error"] = error.message();
  out["code"] = to_string(error.code());
  return {"error", write_json(out)};
}

Result<std::optional<PullEvent>> decode_pull_event(std::string_view name, std::string_view data) {
  if (name != "progress" && name != "image" && name != "error") return std::optional<PullEvent>();
  SBX_TRY(document, read_json(data, kAnswer));
  ReadErrors errors(kAnswerFields);
  const Reader in(document, errors);
  PullEvent out;
  if (name == "progress") out = read_progress(in);
  if (name == "image") out = read_image(in);
  if (name == "error") {
    std::string text;
    std::string code;
    in.read("error", text);
    in.read("code", code);
    out = PullFailed{Error(parse_error_code(code).value_or(ErrorCode::internal), text)};
  }
  SBX_CHECK(errors.status());
  return std::optional(std::move(out));
}

Result<std::vector<model::PullProgress>> decode_sandbox_pulls(std::string_view body) {
  return decode<std::vector<model::PullProgress>>(body, [](const Reader& in) {
    std::vector<model::PullProgress> out;
    in.object("sandbox", [&out](const Reader& sandbox) {
      sandbox.each("pulls", [&out](const Reader& item) { out.push_back(read_progress(item)); });
    });
    return out;
  });
}

json::object usage_object(const model::SandboxUsage& usage) {
  json::object out;
  out["cpuNanos"] = usage.cpu_nanos;
  out["cpuPercent"] = usage.cpu_percent;
  out["memoryBytes"] = usage.memory_bytes;
  out["memoryLimitBytes"] = usage.memory_limit_bytes;
  out["memoryPercent"] = usage.memory_percent;
  out["pids"] = usage.pids;
  json::array containers;
  for (const model::ContainerUsage& container : usage.containers) {
    json::object item;
    item["name"] = container.name;
    item["cpuNanos"] = container.cpu_nanos;
    item["memoryBytes"] = container.memory_bytes;
    item["memoryLimitBytes"] = container.memory_limit_bytes;
    item["pids"] = container.pids;
    containers.push_back(std::move(item));
  }
  out["containers"] = std::move(containers);
  return out;
}

Result<model::SandboxUsage> decode_usage(std::string_view body) {
  return decode<model::SandboxUsage>(body, [](const Reader& in) {
    model::SandboxUsage out;
    in.read("cpuNanos", out.cpu_nanos);
    in.read("cpuPercent", out.cpu_percent);
    in.read("memoryBytes", out.memory_bytes);
    in.read("memoryLimitBytes", out.memory_limit_bytes);
    in.read("memoryPercent", out.memory_percent);
    in.read("pids", out.pids);
    in.each("containers", [&out](const Reader& item) {
      model::ContainerUsage container;
      item.read("name", container.name);
      item.read("cpuNanos", container.cpu_nanos);
      item.read("memoryBytes", container.memory_bytes);
      item.read("memoryLimitBytes", container.memory_limit_bytes);
      item.read("pids", container.pids);
      out.containers.push_back(std::move(container));
    });
    return out;
  });
}

}  // namespace sandboxd::codec::sbxlet
