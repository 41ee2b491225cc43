// Random tests judge mutants with the same few cases each time, so that a mutant is found or is not.
import fc from "fast-check";

fc.configureGlobal({ seed: 1, numRuns: 25 });
