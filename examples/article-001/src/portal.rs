//! The portal: a page of what the grading service knows.

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Html;
use axum::routing::get;
use sd_core::BoxError;

use crate::grading::Student;
use crate::provider::Provider;

/// `GET /`, and the same at `GET /students`.
pub fn router(grading: Provider) -> Router {
    Router::new().route("/", get(page)).route("/students", get(page)).with_state(grading)
}

async fn page(State(grading): State<Provider>) -> Result<Html<String>, (StatusCode, String)> {
    match students(&grading).await {
        Ok(students) => {
            tracing::info!("the page was shown with {} students", students.len());
            Ok(Html(render(&students)))
        }
        Err(error) => {
            tracing::warn!("the page could not be shown: {error}");
            Err((StatusCode::BAD_GATEWAY, format!("the grading service can't be asked: {error}\n")))
        }
    }
}

async fn students(grading: &Provider) -> Result<Vec<Student>, BoxError> {
    match grading.call(Method::GET, "/students", "").await? {
        (StatusCode::OK, body) => Ok(serde_json::from_slice(&body)?),
        (status, _) => Err(format!("it answered {status}").into()),
    }
}

fn render(students: &[Student]) -> String {
    let row =
        |s: &Student| format!("<tr><td>{}</td><td>{}</td><td>{:.1}</td></tr>\n", s.id, escape(&s.name), s.average());
    let rows: String = students.iter().map(row).collect();
    format!(
        "<!doctype html>\n<title>Grades</title>\n<table>\n<tr><th>No.</th><th>Name</th><th>Average</th></tr>\n{rows}</table>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_and_never_markup() {
        let student = Student { id: 1, name: "<script>".to_owned(), grades: vec![50.0, 100.0] };
        let page = render(&[student]);
        assert!(page.contains("<td>&lt;script&gt;</td><td>75.0</td>"), "{page}");
    }
}
