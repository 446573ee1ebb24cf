// Versions are in gradle.properties.
plugins {
    id("com.android.application") apply false
    id("org.jetbrains.kotlin.android") apply false
}
