// Versions are in gradle/libs.versions.toml, the app's own numbers in gradle.properties.
plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.kotlin.android) apply false
}
