# The CPU's operation table: kernels/ is compiled once for every instruction set, and cpu.c chooses at run time.
file(GLOB PBT_CPU_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/tensor/cpu/*.c)
file(GLOB PBT_CPU_KERNELS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/tensor/cpu/kernels/*.c)
target_sources(pbt_tensor PRIVATE ${PBT_CPU_SOURCES})

function(pbt_cpu_kernels instruction_set)
  add_library(pbt_tensor_${instruction_set} OBJECT ${PBT_CPU_KERNELS})
  target_include_directories(pbt_tensor_${instruction_set} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(pbt_tensor_${instruction_set} PRIVATE PBT_INSTRUCTION_SET=${instruction_set})
  # Unoptimised, the kernels are a hundred times slower, too slow for the tests of a debug build; with sanitizers,
  # -O3 takes minutes to compile one of them.
  target_compile_options(pbt_tensor_${instruction_set} PRIVATE $<IF:$<OR:$<BOOL:${PBT_SANITIZE}>,$<BOOL:${PBT_SANITIZE_THREAD}>>,-O1,-O3> -Wno-psabi ${ARGN})
  if(PBT_FUZZ) # no parser is here
    target_compile_options(pbt_tensor_${instruction_set} PRIVATE -O0 -fno-sanitize=all)
  endif()
  pbt_part_of_library(pbt_tensor_${instruction_set})
  target_sources(pbt_tensor PRIVATE $<TARGET_OBJECTS:pbt_tensor_${instruction_set}>)
endfunction()

pbt_cpu_kernels(portable)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND NOT PBT_FUZZ)
  pbt_cpu_kernels(avx2 -mavx2 -mfma -mf16c)
  pbt_cpu_kernels(avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/tensor/cpu/cpu.c PROPERTIES COMPILE_DEFINITIONS PBT_CPU_X86=1)
endif()
