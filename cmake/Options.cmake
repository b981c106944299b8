# Flags of our own code. Third-party headers are SYSTEM and exempt from the warnings.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
add_compile_options(-fPIC)  # everywhere alike: the precompiled header is shared by libraries and executables
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")  # no NDEBUG: SBX_ASSERT and the library's own assertions stay

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  # The sloppiness makes a cached compile possible with the precompiled header; hash_dir off shares between build trees.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
    CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_PCH_EXTSUM=1 ${CCACHE})
endif()
find_program(LLD NAMES ld.lld-19 ld.lld)
if(LLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=${LLD})
endif()

set(SANDBOXD_SANITIZE "" CACHE STRING "Sanitizers, such as address,undefined or thread")
if(SANDBOXD_SANITIZE)
  add_compile_options(-fsanitize=${SANDBOXD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${SANDBOXD_SANITIZE})
  # Recycled coroutine frames would hide a use after free.
  add_compile_definitions(BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
endif()

add_library(sandboxd_flags INTERFACE)
target_include_directories(sandboxd_flags INTERFACE ${CMAKE_SOURCE_DIR}/src/cpp)
target_include_directories(sandboxd_flags SYSTEM INTERFACE ${SANDBOXD_BOOST_INCLUDE_DIR})
target_compile_definitions(sandboxd_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_NO_TS_EXECUTORS)
target_compile_options(sandboxd_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(sandboxd_flags INTERFACE -Wno-missing-field-initializers)
endif()

# The compiled halves of Asio and Boost.JSON, once for everybody. (Beast's is in http/.)
add_library(sandboxd_boost STATIC ${CMAKE_SOURCE_DIR}/cmake/boost/asio.cpp ${CMAKE_SOURCE_DIR}/cmake/boost/json.cpp)
target_link_libraries(sandboxd_boost PUBLIC Threads::Threads PRIVATE sandboxd_flags)
target_compile_options(sandboxd_boost PRIVATE -w)

# One precompiled header for everything but gRPC: it halves the build. Its users name it by a path relative to the build
# tree, and a hash of what decides its meaning stands beside it, so that ccache finds compiles of other trees: the file
# itself holds the paths of its tree.
add_library(sandboxd_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(sandboxd_pch PUBLIC sandboxd_flags sandboxd_boost)
target_precompile_headers(sandboxd_pch PRIVATE
  <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/any_io_executor.hpp> <boost/asio/steady_timer.hpp>
  <boost/asio/this_coro.hpp> <boost/asio/use_awaitable.hpp> <boost/asio/as_tuple.hpp> <boost/asio/io_context.hpp>
  <boost/json.hpp> <boost/system/result.hpp> <algorithm> <chrono> <functional> <map> <memory> <optional> <set> <span>
  <string> <string_view> <utility> <variant> <vector>)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(sandboxd_pch PUBLIC "SHELL:-Xclang -fno-pch-timestamp")
  set(SANDBOXD_PCH CMakeFiles/sandboxd_pch.dir/cmake_pch.hxx.pch)
  set(_pch_facts "${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_CXX_FLAGS} ${CMAKE_BUILD_TYPE} ${CMAKE_CXX_FLAGS_DEBUG}")
  string(SHA256 _pch_sum "${_pch_facts} ${CMAKE_CXX_FLAGS_RELEASE} ${SANDBOXD_SANITIZE} ${_boost}")
  file(WRITE ${CMAKE_BINARY_DIR}/${SANDBOXD_PCH}.sum ${_pch_sum})
endif()

# sandboxd_use_pch(target SOURCES...): compiles these sources of `target` with the precompiled header.
function(sandboxd_use_pch target)
  target_link_libraries(${target} PRIVATE sandboxd_pch)
  if(NOT SANDBOXD_PCH)
    return()
  endif()
  target_compile_options(${target} PRIVATE "SHELL:-Winvalid-pch -include-pch ${SANDBOXD_PCH}")
  set_property(SOURCE ${ARGN} APPEND PROPERTY OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/${SANDBOXD_PCH})
endfunction()

# sandboxd_library(name SOURCES ... DEPENDS ...): one module folder, one static library.
function(sandboxd_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_PCH" "" "SOURCES;DEPENDS")
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC sandboxd_flags ${arg_DEPENDS} sandboxd_boost)
  if(NOT arg_NO_PCH)
    sandboxd_use_pch(${name} ${arg_SOURCES})
  endif()
endfunction()
