// Doing something at most so often, however often it is asked for.

/** A function that runs `job` soon, and once for all calls until then; never two at a time. `ms` of 0: with the next frame. */
export function paced(ms, job) {
  let [isWaiting, isRunning, isAsked] = [false, false, false];
  const run = async () => {
    isWaiting = false;
    isRunning = true;
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
    else setTimeout(run, ms);
  };
  return () => {
    if (isRunning) isAsked = true;
    else if (!isWaiting) wait();
  };
}
