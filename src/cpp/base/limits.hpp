// Every fixed bound of the system, in one place. What a user may tune is configuration instead.
#pragma once

#include "base/time.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sandboxd::limits {

// HTTP
inline constexpr std::size_t kHttpHeaderBytesMax = 64 * 1024;
inline constexpr std::size_t kHttpBodyBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kHttpConnectionsMax = 16384;
inline constexpr Duration kHttpHeaderTimeout = std::chrono::seconds(5);
inline constexpr Duration kHttpBodyTimeout = std::chrono::seconds(10);
inline constexpr Duration kHttpIdleTimeout = std::chrono::seconds(60);
inline constexpr Duration kHttpIdleGrace = std::chrono::seconds(1);  // nobody younger makes room for another
inline constexpr Duration kHttpWriteTimeout = std::chrono::seconds(30);
inline constexpr std::size_t kHttpClientBodyBytesMax = 192 * 1024 * 1024;  // above the log limit
inline constexpr Duration kSseKeepAlive = std::chrono::seconds(15);

// Control plane
inline constexpr std::size_t kEngineInboxMax = 16384;
inline constexpr std::size_t kEngineTurnMax = 1024;
inline constexpr std::size_t kWatchHistoryEvents = 16384;
inline constexpr std::size_t kWatchersMax = 1024;
inline constexpr std::size_t kLogFollowersMax = 64;  // of one sandbox
inline constexpr std::size_t kWatcherBacklogMax = 4096;
inline constexpr std::size_t kNodesMax = 20000;
inline constexpr std::size_t kNodeCallsMax = 64;           // concurrent calls to one node
inline constexpr std::size_t kPassedCallsMax = 256;        // concurrent calls that are passed through to nodes
inline constexpr std::size_t kPassedCallsPerNodeMax = 64;  // of them, to one node
inline constexpr std::size_t kNodeAnswerBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kPageMax = 1000;      // objects in one page of a list
inline constexpr std::size_t kReasonsMax = 256;    // lines of an explanation that come with a sandbox
inline constexpr std::size_t kLabelsMax = 256;     // of a node
inline constexpr std::size_t kAnswersMax = 16384;  // kept under idempotency keys
inline constexpr std::size_t kAnswersBytesMax = 64 * 1024 * 1024;
inline constexpr Duration kAnswerAgeMax = std::chrono::hours(24);

// Node
inline constexpr std::size_t kStatusIdsMax = 200;
inline constexpr std::size_t kListPageMax = 200;
inline constexpr std::size_t kNodeImagesMax = 64;  // that a node reports
inline constexpr std::size_t kContainersPerSandboxMax = 32;
inline constexpr std::size_t kPortsPerSandboxMax = 128;
inline constexpr std::size_t kLogFileBytesMax = 32 * 1024 * 1024;
inline constexpr std::size_t kLogSandboxBytesMax = 128 * 1024 * 1024;
inline constexpr std::int64_t kPidsMax = 128;

// Text
inline constexpr std::size_t kSandboxIdLengthMax = 128;
inline constexpr std::size_t kNameLengthMax = 64;
inline constexpr std::size_t kErrorTextMax = 4096;
inline constexpr std::size_t kObjectIdLengthMax = 253;  // of nodes and externals
inline constexpr std::size_t kLabelLengthMax = 1024;    // of a key or a value, and of an external's text
inline constexpr std::size_t kAnswerKeyLengthMax = 255;

}  // namespace sandboxd::limits
