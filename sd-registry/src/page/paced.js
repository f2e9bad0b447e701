// Doing something at most so often, however often it is asked for.

/**
 * A function that runs `job` soon, once for all calls until then, and never two at a time: at once, where the last time
 * is `ms` ago. `ms` of 0: with the next frame.
 */
export function paced(ms, job) {
  let [isWaiting, isRunning, isAsked, last] = [false, false, false, -Infinity];
  const run = async () => {
    isWaiting = false;
    isRunning = true;
    last = performance.now();
    try {
      await job();
    } finally {
      isRunning = false;
      if (isAsked) {
        isAsked = false;
        wait();
      }
    }
  };
  const wait = () => {
    isWaiting = true;
    if (ms === 0) requestAnimationFrame(run);
    else setTimeout(run, Math.max(0, last + ms - performance.now()));
  };
  return () => {
    if (isRunning) isAsked = true;
    else if (!isWaiting) wait();
  };
}
