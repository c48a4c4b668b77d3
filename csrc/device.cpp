// GPUs: what the driver tells of them, libtorch's CUDA half opened at run time, and its settings.
//
// The program links to neither the driver (libcuda), NVML nor libtorch_cuda, since most machines lack
// them: they are opened by name when they are asked for, and stay open.

#include "longqa.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

using longqa::guarded;

namespace {

class Library {
public:
  Library(const char *name, int scope) : handle(dlopen(name, RTLD_NOW | scope)) {
    if (!handle) {
      throw std::runtime_error(dlerror());
    }
  }

  template <typename Signature> Signature *function(const char *name) const {
    void *address = dlsym(handle, name);
    if (!address) {
      throw std::runtime_error(dlerror());
    }
    return reinterpret_cast<Signature *>(address);
  }

private:
  void *handle;
};

void expect_success(int status, const char *call, const char *words) {
  if (status != 0) {
    throw std::runtime_error(std::string(call) + ": " + (words ? words : "no description") + " (" +
                             std::to_string(status) + ")");
  }
}

const Library &driver() {
  static const Library library("libcuda.so.1", RTLD_LOCAL);
  return library;
}

template <typename... Parameters, typename... Arguments>
int call_driver(const char *name, Arguments... arguments) {
  return driver().function<int(Parameters...)>(name)(arguments...);
}

void driver_succeeds(int status, const char *call) {
  const char *words = nullptr;
  call_driver<int, const char **>("cuGetErrorString", status, &words);
  expect_success(status, call, words);
}

const Library &nvml() {
  static const Library library = [] {
    Library opened("libnvidia-ml.so.1", RTLD_LOCAL);
    expect_success(opened.function<int()>("nvmlInit_v2")(), "nvmlInit", nullptr);
    return opened;
  }();
  return library;
}

template <typename... Parameters, typename... Arguments>
void call_nvml(const char *name, Arguments... arguments) {
  int status = nvml().function<int(Parameters...)>(name)(arguments...);
  expect_success(status, name, nvml().function<const char *(int)>("nvmlErrorString")(status));
}

c10::DeviceIndex index(int32_t number) { return static_cast<c10::DeviceIndex>(number); }

} // namespace

extern "C" {

char *longqa_driver_cuda(int *version) {
  return guarded([&] { driver_succeeds(call_driver<int *>("cuDriverGetVersion", version), "cuDriverGetVersion"); });
}

// 0 where this libtorch came without a CUDA runtime, which otherwise is loaded on machines without a GPU too.
int longqa_runtime_cuda() {
  int version = 0;
  if (void *address = dlsym(RTLD_DEFAULT, "cudaRuntimeGetVersion")) {
    reinterpret_cast<int (*)(int *)>(address)(&version);
  }
  return version;
}

char *longqa_gpu_count(int *count) {
  constexpr int no_device = 100;
  return guarded([&] {
    *count = 0;
    int status = call_driver<unsigned>("cuInit", 0u);
    if (status != no_device) {
      driver_succeeds(status, "cuInit");
      driver_succeeds(call_driver<int *>("cuDeviceGetCount", count), "cuDeviceGetCount");
    }
  });
}

struct longqa_gpu {
  char name[256];
  char pci_bus_id[32];
  uint64_t total_bytes;
};

// Only after longqa_gpu_count.
char *longqa_gpu_of(int32_t number, longqa_gpu *gpu) {
  return guarded([&] {
    int device = 0;
    size_t bytes = 0;
    driver_succeeds(call_driver<int *, int>("cuDeviceGet", &device, number), "cuDeviceGet");
    driver_succeeds(call_driver<char *, int, int>("cuDeviceGetName", gpu->name, int(sizeof gpu->name), device),
                    "cuDeviceGetName");
    driver_succeeds(call_driver<char *, int, int>("cuDeviceGetPCIBusId", gpu->pci_bus_id,
                                                  int(sizeof gpu->pci_bus_id), device),
                    "cuDeviceGetPCIBusId");
    driver_succeeds(call_driver<size_t *, int>("cuDeviceTotalMem_v2", &bytes, device), "cuDeviceTotalMem");
    gpu->total_bytes = bytes;
  });
}

char *longqa_driver_version(char *version, unsigned capacity) {
  return guarded([&] { call_nvml<char *, unsigned>("nvmlSystemGetDriverVersion", version, capacity); });
}

char *longqa_gpu_millijoules(const char *pci_bus_id, unsigned long long *millijoules) {
  return guarded([&] {
    void *device = nullptr;
    call_nvml<const char *, void **>("nvmlDeviceGetHandleByPciBusId_v2", pci_bus_id, &device);
    call_nvml<void *, unsigned long long *>("nvmlDeviceGetTotalEnergyConsumption", device, millijoules);
  });
}

char *longqa_open_library(const char *path) {
  return guarded([&] { Library(path, RTLD_GLOBAL); });
}

char *longqa_use_gpu(int32_t number) {
  return guarded([&] {
    at::globalContext().lazyInitDevice(c10::kCUDA);
    at::accelerator::setDeviceIndex(index(number));
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    // It is not deterministic, so would be refused; and images have the part of cuDNN alone that tells its version.
    at::globalContext().setSDPUseCuDNN(false);
  });
}

char *longqa_allow_tf32(bool allowed) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
  });
}

char *longqa_synchronize(int32_t number) {
  return guarded([&] { at::accelerator::synchronizeDevice(index(number)); });
}

struct longqa_device_memory {
  uint64_t free, total, peak_allocated;
};

char *longqa_device_memory_of(int32_t number, longqa_device_memory *memory) {
  return guarded([&] {
    auto [free, total] = at::accelerator::getMemoryInfo(index(number));
    auto stats = at::accelerator::getDeviceStats(index(number));
    constexpr auto all_pools = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *memory = {free, total, static_cast<uint64_t>(stats.allocated_bytes[all_pools].peak)};
  });
}

char *longqa_reset_peak_memory(int32_t number) {
  return guarded([&] { at::accelerator::resetPeakStats(index(number)); });
}

char *longqa_empty_cache() {
  return guarded([] { at::accelerator::emptyCache(); });
}
}
