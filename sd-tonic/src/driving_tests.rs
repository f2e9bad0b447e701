//! Tests of everything in one task.

use std::sync::atomic::AtomicUsize;

use super::*;
use tokio::sync::{mpsc, oneshot};

fn driving(
    inside: &Inside,
    main: impl Future<Output = u32> + Send + 'static,
) -> (tokio::task::JoinHandle<()>, oneshot::Receiver<u32>) {
    let (tell, told) = oneshot::channel();
    let ended = move |outcome| {
        let _ = tell.send(outcome);
    };
    (tokio::spawn(Driving::new(main, inside.clone(), ended)), told)
}

#[tokio::test]
async fn what_is_spawned_is_driven_while_and_after_the_main_future_runs() {
    let inside = Inside::default();
    let (send, mut requests) = mpsc::unbounded_channel::<(u32, oneshot::Sender<u32>)>();
    let spawn = inside.clone();
    let (task, ended) = driving(&inside, async move {
        let mut seen = 0;
        while let Some((number, answer)) = requests.recv().await {
            seen += 1;
            spawn.execute(async move {
                tokio::time::sleep(std::time::Duration::from_millis(number.into())).await;
                let _ = answer.send(number * 2);
            });
        }
        seen
    });
    let mut answers = Vec::new();
    for number in [30, 1, 20] {
        let (answer, answered) = oneshot::channel();
        send.send((number, answer)).unwrap();
        answers.push((number, answered));
    }
    drop(send);
    assert_eq!(ended.await.unwrap(), 3);
    assert!(!task.is_finished());
    for (number, answered) in answers {
        assert_eq!(answered.await.unwrap(), number * 2);
    }
    task.await.unwrap();
}

#[tokio::test]
async fn a_panic_of_what_was_spawned_ends_it_alone() {
    let inside = Inside::default();
    let (answer, answered) = oneshot::channel();
    inside.execute(async { panic!("a bug of the caller's stream") });
    inside.execute(async {
        let _ = answer.send(7);
    });
    let (task, ended) = driving(&inside, async { 1 });
    assert_eq!((answered.await.unwrap(), ended.await.unwrap()), (7, 1));
    task.await.unwrap();
}

#[tokio::test]
async fn one_that_wakes_itself_for_ever_leaves_others_their_turn() {
    let inside = Inside::default();
    let spins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&spins);
    inside.execute(std::future::poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let (task, _ended) = driving(&inside, std::future::pending());
    for _ in 0..3 {
        let before = spins.load(Ordering::Relaxed);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(spins.load(Ordering::Relaxed) > before);
    }
    task.abort();
}

#[test]
fn no_wake_is_lost_whatever_thread_it_comes_from_and_whenever() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let inside = Inside::default();
        let (send, mut requests) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        let spawn = inside.clone();
        let (task, _ended) = driving(&inside, async move {
            while let Some(answer) = requests.recv().await {
                let (through, came) = oneshot::channel();
                spawn.execute(async move {
                    drop(came.await);
                    let _ = answer.send(());
                });
                let _ = through.send(());
            }
            0
        });
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let send = send.clone();
                tokio::spawn(async move {
                    for _ in 0..5_000 {
                        let (answer, answered) = oneshot::channel();
                        send.send(answer).unwrap();
                        answered.await.unwrap();
                    }
                })
            })
            .collect();
        drop(send);
        for caller in callers {
            sd_testkit::waiting::soon("a caller", caller).await.unwrap();
        }
        task.await.unwrap();
    });
}
