//! The grading service: students and their grades.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// A student, and what their work was worth, out of 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Student {
    /// The number in the class, from 1.
    pub id: u32,
    /// The name.
    pub name: String,
    /// One per piece of work.
    pub grades: Vec<f64>,
}

impl Student {
    /// The mean of the grades; 0 without any.
    #[must_use]
    pub fn average(&self) -> f64 {
        if self.grades.is_empty() { 0.0 } else { self.grades.iter().sum::<f64>() / self.grades.len() as f64 }
    }
}

/// `GET /students` and `GET /students/{id}`.
pub fn router() -> Router {
    Router::new().route("/students", get(all)).route("/students/{id}", get(one))
}

fn students() -> Vec<Student> {
    let class = [("Nick", [85.0, 94.0, 82.0]), ("Roberto", [100.0, 73.0, 91.0]), ("Rachel", [67.0, 100.0, 88.0])];
    let student =
        |(id, (name, grades)): (u32, (&str, [f64; 3]))| Student { id, name: name.to_owned(), grades: grades.into() };
    (1..).zip(class).map(student).collect()
}

async fn all() -> Json<Vec<Student>> {
    tracing::info!("all students were asked for");
    Json(students())
}

async fn one(Path(id): Path<u32>) -> Result<Json<Student>, StatusCode> {
    tracing::info!("student {id} was asked for");
    students().into_iter().find(|student| student.id == id).map(Json).ok_or(StatusCode::NOT_FOUND)
}
